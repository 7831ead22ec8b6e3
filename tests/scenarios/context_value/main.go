// Context_value puts a few bytes of a page into a context, and keeps the contexts of jobs that
// nobody ends: each keeps its whole page.
//
//truth:service verdict=leak trap=context ops=500
//truth:site mark=page function=main.newJob type=[]uint8 alloc=make size=8192 per_op=1 holder=main.jobs
//truth:site mark=value function=main.newJob type=[]uint8 alloc=box size=24 per_op=1 holder=main.jobs
package main

import (
	"context"

	"memsnap.test/scenarios/internal/bench"
)

const (
	pageSize = 8 << 10
	boxSize  = 24
)

type tokenKey struct{}

var jobs = map[int]context.Context{}

func newJob(id int) {
	page := make([]byte, pageSize) // site: page
	page[0] = byte(id)
	ctx := context.WithValue(context.Background(), tokenKey{}, page[:16]) // site: value
	jobs[id] = ctx                                                        // cause
}

func main() {
	bench.Main(func(i int) {
		newJob(i)
		bench.Keep(2, pageSize+boxSize)
	})
}
