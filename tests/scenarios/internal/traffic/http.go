package traffic

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"strconv"
)

// customer sends requests to the service over a real connection.
type customer struct {
	client  *http.Client
	address string
	random  *rand.Rand
}

func (c customer) visit() {
	if c.random.Intn(2) == 0 {
		cart := make([]item, c.random.Intn(12))
		c.send(http.MethodPost, "/orders", encode(session{User: c.random.Intn(users), Cart: cart}))
		return
	}
	c.send(http.MethodGet, fmt.Sprintf("/catalog?page=%d", c.random.Intn(2*cached)), nil)
}

func (c customer) send(method, path string, body []byte) {
	request, err := http.NewRequest(method, c.address+path, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	answer, err := c.client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
}

// order takes a cart, keeps it as the user's, and answers with it.
func (s *service) order(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	given := new(session)
	decode(text, given)
	s.mu.Lock()
	s.sessions[given.User] = given
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(given))
}

// catalog answers with a page of the cache.
func (s *service) catalog(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.Atoi(r.FormValue("page"))
	if err != nil {
		http.Error(w, "no such page", http.StatusNotFound)
		return
	}
	s.mu.Lock()
	text := s.cache.page(s.random, number).text
	s.mu.Unlock()
	_, _ = w.Write(text)
}
