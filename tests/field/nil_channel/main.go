// Nil_channel starts a worker for each upload; a worker that was made without a limit waits on a
// channel that nobody made.
//
//truth:service verdict=leak trap=goroutine ops=200 op=5030
//truth:site mark=part function=main.split type=[]uint8 alloc=make cause=main.(*worker).run,runtime.malg,runtime.mallocgc holder=goroutine
//truth:site mark=worker function=main.newWorker type=main.worker alloc=new holder=goroutine
package main

import (
	"fmt"
	"io"
	"net/http"

	"example.org/field/internal/run"
)

type worker struct {
	part  []byte
	limit chan struct{}
	sum   uint32
}

func newWorker(part []byte, limited bool) *worker {
	w := &worker{part: part} // site: worker
	if limited {
		w.limit = make(chan struct{}, 1)
		w.limit <- struct{}{}
	}
	return w
}

func (w *worker) run() {
	<-w.limit // cause
	for _, b := range w.part {
		w.sum = w.sum*31 + uint32(b)
	}
}

func split(body []byte) []byte {
	part := make([]byte, 6_000) // site: part
	copy(part, body)
	return part
}

func main() {
	http.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		go newWorker(split(body), r.FormValue("limit") != "").run() // cause
		fmt.Fprintln(w, len(body))
	})
	data := make([]byte, 5_000)
	run.Main(func(c *run.Client, i int) {
		path := "/upload?limit=1"
		if i%4 != 0 {
			path = "/upload"
		}
		c.Post(path, "application/octet-stream", data)
	})
}
