// Boxed_events appends what happens to a journal of []any: each event is boxed, and the journal is
// never written out.
//
//truth:service verdict=leak trap=boxing ops=1000 op=1130
//truth:site mark=box function=main.(*journal).add holder=journal.entries
//truth:site mark=names function=main.purchase leaf=no leaves=fmt.* holder=journal.entries
//truth:site mark=buy function=main.handle holder=journal.entries
//truth:site mark=click function=main.handle holder=journal.entries
package main

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"example.org/field/internal/run"
)

type bought struct {
	article string
	price   float64
	at      time.Time
	tax     [6]float64
}

type clicked struct {
	x, y int
	at   time.Time
}

type journal struct {
	mu      sync.Mutex
	entries []any
}

func (j *journal) add(entry any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry) // site: box
}

func purchase(article int) bought {
	return bought{article: fmt.Sprintf("article number %d of the catalogue", article), at: time.Now()} // site: names
}

var book journal

func handle(i int) {
	book.add(purchase(i))                         // site: buy
	book.add(clicked{x: i, y: i, at: time.Now()}) // site: click
}

func main() {
	http.HandleFunc("/buy", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < 5; i++ {
			handle(i + 100)
		}
		fmt.Fprintln(w, "bought")
	})
	run.Main(func(c *run.Client, _ int) { c.Get("/buy") })
}
