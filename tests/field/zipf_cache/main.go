// Zipf_cache keeps pictures by name, up to a number that it has not reached; most requests are for
// those that it has, so that it grows ever more slowly.
//
//truth:service verdict=cache also=steady,one-time shape=zipf ops=1000 per_s=500
//truth:site mark=picture function=main.(*gallery).picture per_op=0 holder=gallery.byName
package main

import (
	"fmt"
	"math/rand"
	"net/http"
	"sync"

	"example.org/field/internal/run"
)

const different = 6_000

type gallery struct {
	mu     sync.Mutex
	byName map[string][]byte
}

func (g *gallery) picture(name string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if found, ok := g.byName[name]; ok {
		return found
	}
	fresh := make([]byte, 4_000) // site: picture
	g.byName[name] = fresh
	return fresh
}

func main() {
	pictures := &gallery{byName: map[string][]byte{}}
	http.HandleFunc("/picture", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(pictures.picture(r.FormValue("name")))
	})
	random := rand.New(rand.NewSource(13))
	run.Main(func(c *run.Client, _ int) {
		c.Get(fmt.Sprint("/picture?name=", random.Intn(different)))
	})
}
