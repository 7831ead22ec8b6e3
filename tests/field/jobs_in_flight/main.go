// Jobs_in_flight runs jobs that take ten seconds on average: as many come as go, and their number
// wanders about 600.
//
//truth:service verdict=steady also=churn,load shape=wandering ops=1000 per_s=60
//truth:site mark=job function=main.(*queue).start per_op=0 holder=queue.running
//truth:site mark=input function=main.(*queue).start per_op=0 holder=queue.running
package main

import (
	"fmt"
	"math/rand"
	"net/http"
	"sync"
	"time"

	"example.org/field/internal/run"
)

const mean = 10 * time.Second

type job struct {
	id    int
	input []byte
	done  *time.Timer
}

type queue struct {
	mu      sync.Mutex
	random  *rand.Rand
	running map[int]*job
}

func (q *queue) start(id int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := &job{id: id}                                  // site: job
	j.input = make([]byte, 2<<10+q.random.Intn(8<<10)) // site: input
	takes := time.Duration(q.random.ExpFloat64() * float64(mean))
	j.done = time.AfterFunc(takes, func() { q.end(id) })
	q.running[id] = j
}

func (q *queue) end(id int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, id)
}

func main() {
	jobs := &queue{random: rand.New(rand.NewSource(11)), running: map[int]*job{}}
	for i := 1; i <= 600; i++ {
		jobs.start(-i)
	}
	http.HandleFunc("/jobs", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "queued") })
	run.Main(func(c *run.Client, i int) {
		jobs.start(i)
		c.Get("/jobs")
	})
}
