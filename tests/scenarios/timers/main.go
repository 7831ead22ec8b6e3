// Timers arms an hour's timeout for each request and forgets to stop it: until it fires, the
// timer keeps the closure, and the closure the request.
//
//truth:service verdict=leak trap=timer ops=1000
//truth:site mark=request function=main.handle type=[]uint8 alloc=make size=4096 per_op=1 holder=timer
package main

import (
	"time"

	"memsnap.test/scenarios/internal/bench"
)

const requestSize = 4 << 10

var expired int

func handle(id int) {
	request := make([]byte, requestSize) // site: request
	request[0] = byte(id)
	time.AfterFunc(time.Hour, func() { expired += len(request) }) // cause
}

func main() {
	bench.Main(func(i int) {
		handle(i)
		bench.Keep(1, requestSize)
	})
}
