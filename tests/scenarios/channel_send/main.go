// Channel_send asks in the background and does not wait for the answer: the sender blocks for
// ever on an unbuffered channel, and its page with it.
//
//truth:service verdict=leak trap=channel ops=500
//truth:site mark=page function=main.fetch type=[]uint8 alloc=make size=8192 per_op=1 holder=goroutine cause=main.lookUp,runtime.malg,runtime.mallocgc
package main

import (
	"sync"

	"memsnap.test/scenarios/internal/bench"
)

const pageSize = 8 << 10

var fetched sync.WaitGroup

func fetch(id int, answers chan<- []byte) {
	page := make([]byte, pageSize) // site: page
	page[0] = byte(id)
	fetched.Done()
	answers <- page[:10] // cause
}

// lookUp has the answer at hand for every id, and so never receives the one that it asked for.
func lookUp(id int) int {
	answers := make(chan []byte)
	fetched.Add(1)
	go fetch(id, answers) // cause
	if id >= 0 {
		return id
	}
	return len(<-answers)
}

func main() {
	bench.Main(func(i int) {
		lookUp(i)
		fetched.Wait()
		bench.Keep(1, pageSize)
	})
}
