// Pool_to_max opens connections when all are busy, up to a maximum that it reaches within half a
// minute, and keeps them.
//
//truth:service verdict=cache also=one-time,steady shape=pool ops=1000 per_s=60
//truth:site mark=reader function=main.dial per_op=0 holder=pool.free
//truth:site mark=state function=main.dial per_op=0 holder=pool.free
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"example.org/field/internal/run"
)

const (
	most   = 60
	buffer = 64 << 10
)

type connection struct {
	reader *bufio.Reader
	state  []byte
}

type pool struct {
	mu   sync.Mutex
	free []*connection
	open int
}

func dial() *connection {
	return &connection{
		reader: bufio.NewReaderSize(strings.NewReader(""), buffer), // site: reader
		state:  make([]byte, buffer/2),                             // site: state
	}
}

func (p *pool) get(busy int) *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) > busy || p.open >= most {
		last := len(p.free) - 1
		c := p.free[last]
		p.free = p.free[:last]
		return c
	}
	p.open++
	return dial()
}

func (p *pool) put(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, c)
}

func main() {
	backend := new(pool)
	http.HandleFunc("/quote", func(w http.ResponseWriter, r *http.Request) {
		c := backend.get(len(r.FormValue("busy")))
		defer backend.put(c)
		_, _ = io.Copy(w, c.reader)
		fmt.Fprintln(w, "ok")
	})
	run.Main(func(c *run.Client, i int) {
		c.Get("/quote?busy=" + strings.Repeat("x", min(i/24, most)))
	})
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
