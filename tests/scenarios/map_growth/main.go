// Map_growth counts visits by path in a map that nothing is ever deleted from. Keys, values and
// the map itself are three sites of one leak.
//
//truth:service verdict=leak trap=map ops=20000 op=136
//truth:site mark=key function=main.visit type=string alloc=string size=32 per_op=1 holder=main.visits
//truth:site mark=value function=main.visit type=main.counter alloc=new size=64 per_op=1 holder=main.visits
//truth:site mark=map function=main.visit type=map[string]*main.counter alloc=map holder=main.visits
package main

import (
	"strconv"

	"memsnap.test/scenarios/internal/bench"
)

const (
	keySize     = 32
	counterSize = 64
)

type counter struct {
	byHour [8]int
}

var visits = map[string]*counter{}

func visit(customer int) {
	path := "/customers/" + strconv.Itoa(1_000_000+customer) + "/profile" // site: key
	c := visits[path]
	if c == nil {
		c = new(counter) // site: value
		visits[path] = c // site: map
	}
	c.byHour[customer%len(c.byHour)]++
}

func main() {
	bench.Main(func(i int) {
		visit(i)
		bench.Keep(2, keySize+counterSize)
	})
}
