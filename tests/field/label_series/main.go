// Label_series counts requests by path and request id: each request makes a new series, with its
// labels and the buckets of its histogram.
//
//truth:service verdict=leak trap=cardinality ops=1000 op=450
//truth:site mark=series function=main.(*registry).with type=main.series alloc=new holder=registry.series
//truth:site mark=labels function=main.(*registry).with type=[]string alloc=make holder=registry.series
//truth:site mark=buckets function=main.newHistogram type=[]uint64 alloc=make holder=registry.series
//truth:site mark=key function=main.(*registry).with type=string holder=registry.series leaf=no leaves=strings.*,fmt.*,strconv.*
//truth:site mark=store function=main.(*registry).with type=map holder=registry.series
package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"example.org/field/internal/run"
)

var bounds = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 50}

type histogram struct {
	counts []uint64
	sum    float64
}

type series struct {
	labels   []string
	requests uint64
	took     *histogram
}

type registry struct {
	mu     sync.Mutex
	series map[string]*series
}

func newHistogram() *histogram {
	return &histogram{counts: make([]uint64, len(bounds)+1)} // site: buckets
}

func (h *histogram) observe(seconds float64) {
	h.sum += seconds
	for i, bound := range bounds {
		if seconds <= bound {
			h.counts[i]++
			return
		}
	}
	h.counts[len(bounds)]++
}

func (r *registry) with(values ...string) *series {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := strings.Join(values, "\xff") // site: key
	found, ok := r.series[key]
	if !ok {
		labels := make([]string, len(values)) // site: labels
		copy(labels, values)
		found = &series{labels: labels, took: newHistogram()} // site: series
		r.series[key] = found                                 // site: store
	}
	return found
}

func main() {
	metrics := &registry{series: map[string]*series{}}
	http.HandleFunc("/cart/", func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		fmt.Fprintln(w, "ok")
		one := metrics.with(r.Method, r.URL.Path, r.Header.Get("X-Request-Id"), "200") // cause
		one.requests++
		one.took.observe(time.Since(began).Seconds())
	})
	run.Main(func(c *run.Client, i int) {
		request, _ := http.NewRequest(http.MethodGet, c.Base+"/cart/items", nil)
		request.Header.Set("X-Request-Id", fmt.Sprintf("req-%032x", i))
		answer, err := c.HTTP.Do(request)
		if err == nil {
			_ = answer.Body.Close()
		}
	})
}
