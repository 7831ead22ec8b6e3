// Price_table holds 160 MB of articles that it loaded at start, and replaces a few thousand a second
// by what came in by JSON: the same number, from another line.
//
//truth:service verdict=steady also=churn shape=replaced ops=1000 per_s=500
//truth:site mark=load function=main.loadAll per_op=0 holder=table
//truth:site mark=update function=main.update leaf=no per_op=0 holder=table
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"sync"

	"example.org/field/internal/run"
)

const articles = 200_000

type article struct {
	Number int       `json:"number"`
	Name   string    `json:"name"`
	Prices []float64 `json:"prices"`
	Text   [600]byte `json:"-"`
}

var (
	mu    sync.Mutex
	table = make([]*article, articles)
)

func loadAll() {
	for i := range table {
		table[i] = &article{ // site: load
			Number: i,
			Name:   fmt.Sprintf("article %032d", i),
			Prices: make([]float64, 4),
		}
	}
}

func update(text []byte) error {
	fresh := new(article) // site: update
	if err := json.Unmarshal(text, fresh); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	table[fresh.Number] = fresh
	return nil
}

func main() {
	loadAll()
	http.HandleFunc("/size", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, len(table)) })
	random := rand.New(rand.NewSource(9))
	run.Main(func(c *run.Client, i int) {
		number := random.Intn(articles)
		text := fmt.Sprintf(`{"number": %d, "name": "article %032d", "prices": [1, 2, 3, 4]}`, number, number)
		if err := update([]byte(text)); err != nil {
			panic(err)
		}
		if i%100 == 0 {
			c.Get("/size")
		}
	})
}
