// Ttl_cache keeps answers for twelve seconds and sweeps the rest every second: what it holds
// follows from the load, and is level from then on.
//
//truth:service verdict=steady also=cache,churn,one-time shape=ttl ops=1000 per_s=150
//truth:site mark=answer function=main.(*cache).answer per_op=0 holder=cache.answers
package main

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"example.org/field/internal/run"
)

const life = 12 * time.Second

type answer struct {
	until time.Time
	text  [2_000]byte
}

type cache struct {
	mu      sync.Mutex
	answers map[string]*answer
}

func (c *cache) answer(question string) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, ok := c.answers[question]; ok && time.Now().Before(found.until) {
		return found
	}
	fresh := &answer{until: time.Now().Add(life)} // site: answer
	copy(fresh.text[:], question)
	c.answers[question] = fresh
	return fresh
}

func (c *cache) sweep() {
	for now := range time.Tick(time.Second) {
		c.mu.Lock()
		for question, a := range c.answers {
			if now.After(a.until) {
				delete(c.answers, question)
			}
		}
		c.mu.Unlock()
	}
}

func main() {
	answers := &cache{answers: map[string]*answer{}}
	go answers.sweep()
	http.HandleFunc("/ask", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(answers.answer(r.FormValue("q")).text[:])
	})
	run.Main(func(c *run.Client, i int) { c.Get(fmt.Sprint("/ask?q=", i)) })
}
