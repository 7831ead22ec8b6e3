// Ip_limiters keeps a token bucket for each address that ever sent a request, in a sync.Map that
// nobody sweeps.
//
//truth:service verdict=leak trap=sync.Map ops=1000 op=684
//truth:site mark=limiter function=main.limiterOf type=main.limiter alloc=new holder=limiters
//truth:site mark=hits function=main.newWindow type=[]time.Time alloc=make holder=limiters
//truth:site mark=store function=main.limiterOf leaf=no leaves=sync.*,internal/sync.* holder=limiters
package main

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"example.org/field/internal/run"
)

const burst = 20

type limiter struct {
	mu   sync.Mutex
	hits []time.Time
	next int
}

var limiters sync.Map // address -> *limiter

func newWindow() []time.Time {
	return make([]time.Time, burst) // site: hits
}

func limiterOf(address string) *limiter {
	if found, ok := limiters.Load(address); ok {
		return found.(*limiter)
	}
	fresh := &limiter{hits: newWindow()}            // site: limiter
	kept, _ := limiters.LoadOrStore(address, fresh) // site: store
	return kept.(*limiter)
}

func (l *limiter) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if oldest := l.hits[l.next]; now.Sub(oldest) < time.Second {
		return false
	}
	l.hits[l.next] = now
	l.next = (l.next + 1) % burst
	return true
}

func main() {
	http.HandleFunc("/search", func(w http.ResponseWriter, r *http.Request) {
		if !limiterOf(r.Header.Get("X-Forwarded-For")).allow(time.Now()) { // cause
			http.Error(w, "slow down", http.StatusTooManyRequests)
			return
		}
		fmt.Fprintln(w, "nothing found")
	})
	run.Main(func(c *run.Client, i int) {
		request, _ := http.NewRequest(http.MethodGet, c.Base+"/search", nil)
		request.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		answer, err := c.HTTP.Do(request)
		if err == nil {
			_ = answer.Body.Close()
		}
	})
}
