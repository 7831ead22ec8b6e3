// Latency_samples keeps every latency of every endpoint, to compute percentiles from all of them:
// slices of floats that only append.
//
//truth:service verdict=leak trap=append ops=1000 op=1170
//truth:site mark=sample function=main.(*stats).observe type=[]float64 alloc=append holder=stats.took
package main

import (
	"fmt"
	"math/rand"
	"net/http"
	"sort"
	"sync"

	"example.org/field/internal/run"
)

const endpoints = 48

type stats struct {
	mu   sync.Mutex
	took [endpoints][]float64
}

func (s *stats) observe(endpoint int, seconds float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took[endpoint] = append(s.took[endpoint], seconds) // site: sample
}

func (s *stats) percentile(endpoint int, share float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.took[endpoint]
	if len(all) == 0 {
		return 0
	}
	recent := append([]float64(nil), all[len(all)/2:]...)
	sort.Float64s(recent)
	return recent[int(share*float64(len(recent)-1))]
}

func main() {
	times := new(stats)
	http.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, times.percentile(0, .99))
	})
	random := rand.New(rand.NewSource(5))
	run.Main(func(c *run.Client, i int) {
		endpoint := int(float64(endpoints) * random.Float64() * random.Float64())
		for n := 0; n < 128; n++ {
			times.observe(endpoint, random.ExpFloat64())
		}
		if i%500 == 0 {
			c.Get("/stats")
		}
	})
}
