// Error_path notes each request as in flight and strikes it off at the end, except where the body
// is refused: one request in eight returns before.
//
//truth:service verdict=leak trap=early-return ops=1000 op=3220
//truth:site mark=flight function=main.(*api).begin type=main.flight alloc=new holder=api.inFlight
//truth:site mark=scratch function=main.(*api).begin type=[]uint8 alloc=make holder=api.inFlight
package main

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"example.org/field/internal/run"
)

type flight struct {
	id      int
	began   time.Time
	path    string
	scratch []byte
}

type api struct {
	mu       sync.Mutex
	last     int
	inFlight map[int]*flight
}

func (a *api) begin(path string) *flight {
	scratch := make([]byte, 3_000)                                       // site: scratch
	f := &flight{began: time.Now(), path: path, scratch: scratch[:1024]} // site: flight
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	f.id = a.last
	a.inFlight[f.id] = f
	return f
}

func (a *api) end(f *flight) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.inFlight, f.id)
}

func (a *api) put(w http.ResponseWriter, r *http.Request) {
	f := a.begin(r.URL.Path)
	n, err := io.ReadFull(r.Body, f.scratch)
	if n == len(f.scratch) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return // cause
	}
	if err != nil && err != io.ErrUnexpectedEOF {
		http.Error(w, err.Error(), http.StatusBadRequest)
	} else {
		fmt.Fprintln(w, n)
	}
	a.end(f)
}

func main() {
	service := &api{inFlight: map[int]*flight{}}
	http.HandleFunc("/notes", service.put)
	small, large := make([]byte, 300), make([]byte, 1_024)
	run.Main(func(c *run.Client, i int) {
		for n := 0; n < 7; n++ {
			c.Post("/notes", "text/plain", small)
		}
		c.Post("/notes", "text/plain", large)
	})
}
