// Goroutine_closure starts a goroutine per subscriber that waits for ever: what its closure
// captures lives as long as the goroutine.
//
//truth:service verdict=leak trap=goroutine ops=500
//truth:site mark=buffer function=main.subscribe type=[]uint8 alloc=make size=8192 per_op=1 holder=goroutine cause=runtime.malg,runtime.mallocgc
package main

import "memsnap.test/scenarios/internal/bench"

const bufferSize = 8 << 10

var (
	shutdown  = make(chan struct{})
	delivered int
)

func subscribe() {
	events := make([]byte, bufferSize) // site: buffer
	go func() {                        // cause
		<-shutdown // cause
		delivered += len(events)
		clear(events)
	}()
}

func main() {
	bench.Main(func(int) {
		subscribe()
		bench.Keep(1, bufferSize)
	})
}
