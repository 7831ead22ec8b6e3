// Error_chain polls a broken upstream and wraps the error of each attempt around that of the one
// before: the last error holds all there ever were, with the stack of each.
//
//truth:service verdict=leak trap=errors ops=1000 op=645
//truth:site mark=wrap function=main.wrap type=main.opError alloc=new holder=poller.last
//truth:site mark=stack function=main.wrap type=[]uintptr alloc=make holder=poller.last
package main

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"

	"example.org/field/internal/run"
)

type opError struct {
	op    string
	try   int
	stack []uintptr
	cause error
}

func (e *opError) Error() string { return fmt.Sprintf("%s (attempt %d)", e.op, e.try) }
func (e *opError) Unwrap() error { return e.cause }

func wrap(cause error, op string, try int) error {
	stack := make([]uintptr, 64) // site: stack
	stack = stack[:runtime.Callers(2, stack)]
	return &opError{op: op, try: try, stack: stack, cause: cause} // site: wrap
}

type poller struct {
	mu   sync.Mutex
	last error
	try  int
}

func (p *poller) poll(fetch func() error) {
	err := fetch()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.try++
	if err != nil {
		p.last = wrap(errors.Join(err, p.last), "poll inventory", p.try) // cause
	} else {
		p.last = nil
	}
}

func main() {
	upstream := &poller{}
	http.HandleFunc("/inventory", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
	})
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		upstream.mu.Lock()
		defer upstream.mu.Unlock()
		fmt.Fprintln(w, upstream.last)
	})
	run.Main(func(c *run.Client, i int) {
		upstream.poll(func() error {
			if i%8 == 0 {
				c.Get("/inventory")
			}
			return http.ErrServerClosed
		})
	})
}
