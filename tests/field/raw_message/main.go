// Raw_message decodes orders and keeps the part that it does not understand as json.RawMessage, for
// each order that was ever seen.
//
//truth:service verdict=leak trap=json ops=1000 op=800
//truth:site mark=decode function=main.(*store).accept leaf=no leaves=encoding/json.* holder=store.seen
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"example.org/field/internal/run"
)

type order struct {
	ID       string          `json:"id"`
	Customer string          `json:"customer"`
	Extra    json.RawMessage `json:"extra"`
}

type store struct {
	mu   sync.Mutex
	seen map[string]order
}

func (s *store) accept(r *http.Request) error {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil { // site: decode
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.seen[o.ID]; again {
		return fmt.Errorf("order %s was accepted before", o.ID)
	}
	s.seen[o.ID] = o // cause
	return nil
}

func main() {
	orders := &store{seen: map[string]order{}}
	http.HandleFunc("/orders", func(w http.ResponseWriter, r *http.Request) {
		if err := orders.accept(r); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	padding := strings.Repeat("x", 900)
	run.Main(func(c *run.Client, i int) {
		body := fmt.Sprintf(`{"id": "o-%d", "customer": "c-%d", "extra": {"basket": "%s"}}`,
			i, i%500, padding[:500+i%400])
		c.Post("/orders", "application/json", []byte(body))
	})
}
