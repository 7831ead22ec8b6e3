// Pooled_buffers renders answers into buffers of a sync.Pool and puts them back, but for those that
// became too large.
//
//truth:service verdict=steady also=churn shape=pool ops=1000 per_s=200
//truth:site mark=write function=main.answer leaf=no per_op=0 holder=buffers
package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"net/http"
	"sync"

	"example.org/field/internal/run"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func answer(size int) int {
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	for i := 0; i < size; i++ {
		b.WriteString("all work and no play ") // site: write
	}
	n := b.Len()
	if b.Cap() <= 256<<10 {
		buffers.Put(b)
	}
	return n
}

func main() {
	http.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, answer(int(rand.ExpFloat64()*1_000)))
	})
	run.Main(func(c *run.Client, _ int) {
		var all sync.WaitGroup
		for i := 0; i < 4; i++ {
			all.Add(1)
			go func() { defer all.Done(); c.Get("/page") }()
		}
		all.Wait()
	})
}
