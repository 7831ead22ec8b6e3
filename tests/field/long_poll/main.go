// Long_poll parks requests until there is news, whether or not the client is still there: clients
// give up after a while, and the handlers, with their connections, wait on.
//
//truth:service verdict=leak trap=goroutine ops=100 op=15000
//truth:site mark=ticket function=main.(*board).wait cause=main.(*board).wait,net/http.*,bufio.New*,net.*,runtime.malg,internal/poll.*,net/textproto.*,context.*,syscall.* holder=goroutine
package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"example.org/field/internal/run"
)

type ticket struct {
	reader int
	draft  [1 << 10]byte
	news   chan string
}

type board struct {
	mu      sync.Mutex
	waiting []*ticket
}

func (b *board) wait(reader int) string {
	t := &ticket{reader: reader, news: make(chan string)} // site: ticket
	b.mu.Lock()
	b.waiting = append(b.waiting, t)
	b.mu.Unlock()
	return <-t.news // cause
}

func main() {
	news := new(board)
	http.HandleFunc("/news", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, news.wait(len(r.URL.Path)))
	})
	run.Main(func(c *run.Client, _ int) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			request, _ := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+"/news", nil)
			if answer, err := c.HTTP.Do(request); err == nil {
				_ = answer.Body.Close()
			}
		}()
	})
}
