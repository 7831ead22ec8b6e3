// Starts leaks goroutines, each with a page of 8 kB, by every form of go statement that there is,
// or lets finalizers and cleanups wait.
// POST /step?n=10 starts ten. It prints "listening ADDRESS".
package main

import (
	_ "expvar"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"runtime"
	"strconv"

	"group.test/group"
)

const pageSize = 8 << 10

var (
	how   = flag.String("how", "literal", "a key of ways")
	never = make(chan []byte)
	done  = make(chan bool)
	all   group.Group
)

func literal() {
	go func() { // go: literal
		page := make([]byte, pageSize)
		never <- page // blocked: literal
	}()
}

func send(id int, answers chan<- []byte) {
	page := make([]byte, pageSize)
	page[0] = byte(id)
	answers <- page // blocked: call
}

func call(id int) {
	go send(id, never) // go: call
}

type worker struct{ page []byte }

func (w *worker) run() {
	select { // blocked: method
	case <-never:
	case <-done:
	}
	w.page[0]++
}

func method() {
	w := &worker{page: make([]byte, pageSize)}
	go w.run() // go: method
}

//go:noinline
func newWorker() *worker {
	return &worker{page: make([]byte, pageSize)}
}

func made() {
	w := newWorker()
	go w.run() // go: made
}

func variable() {
	wait := func() {
		page := make([]byte, pageSize)
		never <- page // blocked: variable
	}
	go wait() // go: variable
}

func keep[T any](value T) {
	page := make([]T, pageSize)
	page[0] = value
	make(chan []T) <- page // blocked: generic
}

func generic() {
	go keep(byte(1)) // go: generic
}

func grouped() {
	all.Go(func() error { // runs: group
		page := make([]byte, pageSize)
		never <- page // blocked: group
		return nil
	})
}

type handle struct{ page []byte }

func (h *handle) logOut() {
	<-done // blocked: finalizer
}

func open() {
	runtime.SetFinalizer(&handle{page: make([]byte, pageSize)}, (*handle).logOut)
}

// ways are what -how chooses from; each takes the number of the step.
var ways = map[string]func(int){
	"literal":   func(int) { literal() },
	"call":      call,
	"method":    func(int) { method() },
	"made":      func(int) { made() },
	"variable":  func(int) { variable() },
	"generic":   func(int) { generic() },
	"group":     func(int) { grouped() },
	"finalizer": func(int) { open() },
}

func main() {
	flag.Parse()
	http.HandleFunc("/step", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		for id := 0; id < n; id++ {
			ways[*how](id)
		}
		fmt.Fprintln(w, n)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", "http://"+l.Addr().String())
	log.Fatal(http.Serve(l, nil))
}
