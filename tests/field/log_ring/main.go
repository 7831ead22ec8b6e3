// Log_ring keeps the last 9,000 entries of its log, of up to 4 kB each; it fills within half a
// minute and is level from then on.
//
//truth:service verdict=cache also=steady,one-time shape=ring ops=1000 per_s=350
//truth:site mark=entry function=main.(*ring).write per_op=0 holder=ring.entries
package main

import (
	"fmt"
	"net/http"
	"sync"

	"example.org/field/internal/run"
)

const places = 9_000

type ring struct {
	mu      sync.Mutex
	entries [places][]byte
	next    int
}

func (r *ring) write(text string, size int) {
	entry := make([]byte, len(text)+size) // site: entry
	copy(entry, text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries[r.next%places] = entry
	r.next++
}

func main() {
	log := new(ring)
	http.HandleFunc("/do", func(w http.ResponseWriter, r *http.Request) {
		log.write(r.URL.String(), len(r.URL.RawQuery)*911%4_000)
		fmt.Fprintln(w, "done")
	})
	run.Main(func(c *run.Client, i int) { c.Get(fmt.Sprintf("/do?what=%0*d", i%60, i)) })
}
