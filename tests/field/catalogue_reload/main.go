// Catalogue_reload builds its catalogue anew every six seconds and swaps it for the old one, as
// services do that read their data from files: always one of 14 MB, sometimes two.
//
//truth:service verdict=steady also=churn,load shape=reload ops=1000 per_s=20
//truth:site mark=article function=main.build per_op=0 holder=current
//truth:site mark=name function=main.build leaf=no per_op=0 holder=current
//truth:site mark=index function=main.build per_op=0 holder=current
package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"example.org/field/internal/run"
)

type article struct {
	name  string
	stock int
	text  [300]byte
}

type catalogue struct {
	byName map[string]*article
	made   time.Time
}

var current atomic.Pointer[catalogue]

func build(version int) *catalogue {
	fresh := &catalogue{byName: map[string]*article{}, made: time.Now()}
	for i := 0; i < 30_000; i++ {
		a := &article{stock: version}      // site: article
		a.name = fmt.Sprint("article ", i) // site: name
		fresh.byName[a.name] = a           // site: index
		if i%3_000 == 0 {
			time.Sleep(100 * time.Millisecond) // a disk is not that fast
		}
	}
	return fresh
}

func main() {
	current.Store(build(0))
	go func() {
		for version := 1; ; version++ {
			time.Sleep(5 * time.Second)
			current.Store(build(version))
		}
	}()
	http.HandleFunc("/stock", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, current.Load().byName[r.FormValue("article")].stock)
	})
	run.Main(func(c *run.Client, i int) { c.Get(fmt.Sprintf("/stock?article=article+%d", i%30_000)) })
}
