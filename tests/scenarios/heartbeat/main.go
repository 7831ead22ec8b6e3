// Heartbeat arms a timer that arms itself again, one for each connection, and goes on after the
// connection is gone: the timer's function keeps the connection's state.
//
//truth:service verdict=leak trap=timer ops=500
//truth:site mark=state function=main.accept type=main.connection alloc=new size=4096 per_op=1 holder=timer cause=main.(*connection).beat
package main

import (
	"sync/atomic"
	"time"

	"memsnap.test/scenarios/internal/bench"
)

const (
	stateSize = 4 << 10
	header    = 8 // larger objects with pointers have a header of 8 bytes, from Go 1.22 on
	interval  = 15 * time.Second
)

var beats atomic.Int64

type connection struct {
	id    int
	timer atomic.Pointer[time.Timer]
	data  [stateSize - 16 - header]byte
}

func accept(id int) *connection {
	c := &connection{id: id}                        // site: state
	c.timer.Store(time.AfterFunc(interval, c.beat)) // cause
	return c
}

func (c *connection) beat() {
	beats.Add(1)
	if timer := c.timer.Load(); timer != nil {
		timer.Reset(interval) // cause
	}
}

func main() {
	bench.Main(func(i int) {
		accept(i)
		bench.Keep(1, stateSize)
	})
}
