// Closure_registry registers a function for each session that is to run at shutdown, and never
// takes one out: the functions keep what they capture.
//
//truth:service verdict=leak trap=closure ops=2000 op=2100
//truth:site mark=session function=main.open type=main.session alloc=new size=2048 per_op=1 holder=main.atShutdown cause=main.onShutdown
//truth:site mark=closure function=main.open alloc=closure size=24 per_op=1 holder=main.atShutdown cause=main.onShutdown
//truth:site mark=list function=main.onShutdown type=[]func() alloc=append holder=main.atShutdown
package main

import "memsnap.test/scenarios/internal/bench"

const (
	sessionSize = 2 << 10
	closureSize = 24
)

type session struct {
	id   int
	data [sessionSize - 8]byte
}

var (
	atShutdown []func()
	closed     int
)

func onShutdown(f func()) {
	atShutdown = append(atShutdown, f) // site: list
}

func open(id int) {
	s := &session{id: id}                      // site: session
	onShutdown(func() { closed += id + s.id }) // site: closure
}

func main() {
	bench.Main(func(i int) {
		open(i)
		bench.Keep(2, sessionSize+closureSize)
	})
}
