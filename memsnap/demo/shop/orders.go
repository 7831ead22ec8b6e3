package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"sync"
)

const (
	products     = 20_000 // about 10 MB, replaced row by row as prices change
	recentOrders = 4_096  // a ring: the oldest makes room for the newest
)

type product struct {
	ID          int
	Cents       int
	Name        string
	Description string
}

type productTable struct {
	mu   sync.RWMutex
	rows []*product
}

var catalogue productTable

func newProduct(id, cents int) *product {
	name := fmt.Sprintf("product %05d", id)
	return &product{ID: id, Cents: cents, Name: name, Description: fmt.Sprintf("%-400s", name)}
}

func (t *productTable) load() {
	t.rows = make([]*product, products)
	for id := range t.rows {
		t.rows[id] = newProduct(id, 100+id)
	}
}

func (t *productTable) get(id int) *product {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rows[id%len(t.rows)]
}

func (t *productTable) reprice(id int) {
	row := newProduct(id, 100+rand.Intn(10_000))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[id] = row
}

type order struct {
	Session string
	Lines   []orderLine
	Note    string
}

type orderLine struct {
	Product int
	Count   int
}

type orderRing struct {
	mu    sync.Mutex
	slots [recentOrders]*order
	taken int
}

var recent orderRing

func (ring *orderRing) put(o *order) {
	ring.mu.Lock()
	defer ring.mu.Unlock()
	ring.slots[ring.taken%recentOrders] = o
	ring.taken++
}

func (ring *orderRing) full() bool {
	ring.mu.Lock()
	defer ring.mu.Unlock()
	return ring.taken >= recentOrders
}

func placeOrder(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	total := 0
	for _, line := range o.Lines {
		total += line.Count * catalogue.get(line.Product).Cents
	}
	recent.put(&o)
	requests.Add("orders", 1)
	writeJSON(w, map[string]int{"total_cents": total})
}

func showPrice(w http.ResponseWriter, r *http.Request) {
	id := rand.Intn(products)
	catalogue.reprice(rand.Intn(products))
	requests.Add("prices", 1)
	writeJSON(w, catalogue.get(id))
}
