// Burst serves up to 500 requests at a time, each in a goroutine that holds 16 KB: they come in a
// burst of 500 and then finish one by one, so the heap follows the load.
//
//truth:service verdict=load shape=burst settle=1000 ops=2000 peak=500 per_s=60
//truth:site mark=body function=main.accept type=[]uint8 alloc=make size=16384 per_op=0 holder=goroutine
package main

import "memsnap.test/scenarios/internal/bench"

const (
	atOnce   = 500
	bodySize = 16 << 10
)

type request struct {
	body         []byte
	finish, done chan struct{}
}

var active []*request

func accept() *request {
	return &request{
		body:   make([]byte, bodySize), // site: body
		finish: make(chan struct{}),
		done:   make(chan struct{}),
	}
}

func (r *request) serve() {
	<-r.finish
	clear(r.body)
	close(r.done)
}

func begin() {
	r := accept()
	active = append(active, r)
	go r.serve()
	bench.Keep(1, bodySize)
}

func end() {
	last := len(active) - 1
	r := active[last]
	active[last] = nil
	active = active[:last]
	close(r.finish)
	<-r.done
	bench.Keep(-1, -bodySize)
}

func main() {
	bench.Main(func(i int) {
		if i%(2*atOnce) < atOnce {
			begin()
		} else {
			end()
		}
	})
}
