// Payment_tokens remembers the token of every payment, so that none is taken twice, in a map whose
// keys and values hold no pointers; nobody forgets old ones.
//
//truth:service verdict=leak trap=map ops=4000 op=1200
//truth:site mark=seen function=main.(*guard).first type=map alloc=map holder=guard.seen
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync"

	"example.org/field/internal/run"
)

const shards = 16

type token [32]byte

type payment struct{ at, cents int64 }

type guard struct {
	mu   [shards]sync.Mutex
	seen [shards]map[token]payment
}

func (g *guard) first(t token, p payment) bool {
	shard := int(t[0]) % shards
	g.mu[shard].Lock()
	defer g.mu[shard].Unlock()
	if _, again := g.seen[shard][t]; again {
		return false
	}
	g.seen[shard][t] = p // site: seen
	return true
}

func main() {
	taken := new(guard)
	for i := range taken.seen {
		taken.seen[i] = map[token]payment{}
	}
	http.HandleFunc("/pay", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "paid") })
	var number [8]byte
	run.Main(func(c *run.Client, i int) {
		for n := 0; n < 16; n++ {
			binary.LittleEndian.PutUint64(number[:], uint64(i*16+n))
			taken.first(sha256.Sum256(number[:]), payment{at: int64(i), cents: 100})
		}
		if i%10 == 0 {
			c.Get("/pay")
		}
	})
}
