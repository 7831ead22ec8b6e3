// Map_tombstone marks a finished job by a nil in its map instead of deleting it: the job goes, but
// its key stays, and the map grows by one place for each.
//
//truth:service verdict=leak trap=map ops=20000 op=100
//truth:site mark=key function=main.begin type=string alloc=string size=64 per_op=1 holder=main.jobs cause=main.finish
//truth:site mark=job function=main.begin type=main.job alloc=new size=512 per_op=0
//truth:site mark=map function=main.begin type=map[string]*main.job alloc=map holder=main.jobs cause=main.finish
package main

import (
	"strconv"

	"memsnap.test/scenarios/internal/bench"
)

const keySize = 64

type job struct {
	id   int
	data [504]byte
}

var (
	jobs     = map[string]*job{}
	finished int
)

func begin(id int) string {
	name := "jobs/europe-west/render-thumbnails/attempt-1/" + strconv.Itoa(1_000_000+id) // site: key
	j := &job{id: id}                                                                    // site: job
	jobs[name] = j                                                                       // site: map
	return name
}

func finish(name string) {
	finished += jobs[name].id
	jobs[name] = nil // cause
}

func main() {
	bench.Main(func(i int) {
		finish(begin(i))
		bench.Keep(1, keySize)
	})
}
