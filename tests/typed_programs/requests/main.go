// Requests keeps every *http.Request that it gets, a copy of some, and what JSON it is sent.
//
// The first line on standard output is "listening ADDRESS".  Nothing but the handlers below keeps
// an http.Request, so the sites that allocate them are known: net/http's reading of a request, and
// WithContext.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strings"
	"sync"
)

// Order is what the JSON holds; its parts are allocated by reflection.
type Order struct {
	ID    int
	Lines []Line
	Next  *Order
	Tags  map[string]string
}

// Line is a part of an Order.
type Line struct {
	Name  string
	Price float64
	Note  *Note
}

// Note has a size of its own.
type Note struct {
	Text  string
	Codes [13]int64
}

// Cache is generic, so that a dictionary says what it holds.
type Cache[K comparable, V any] struct {
	values map[K]V
	order  []K
}

//go:noinline
func (c *Cache[K, V]) put(key K, value V) {
	c.values[key] = value
	c.order = append(c.order, key)
}

type key struct{}

var (
	mu       sync.Mutex
	requests []*http.Request
	orders   []*Order
	bodies   [][]byte
	names    []string
	boxed    []any
	cache    = &Cache[string, *Note]{values: map[string]*Note{}}
)

func keep(w http.ResponseWriter, r *http.Request) {
	mu.Lock()
	defer mu.Unlock()
	requests = append(requests, r)
}

func tag(w http.ResponseWriter, r *http.Request) {
	copied := r.WithContext(context.WithValue(context.Background(), key{}, len(requests)))
	mu.Lock()
	defer mu.Unlock()
	requests = append(requests, copied)
}

func decode(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	order := new(Order)
	if err == nil {
		err = json.Unmarshal(body, order)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	mu.Lock()
	defer mu.Unlock()
	orders = append(orders, order)
	bodies = append(bodies, bytes.Clone(body))
	names = append(names, strings.Repeat(order.Lines[0].Name, 3))
	boxed = append(boxed, order.Lines[0].Price, order.Lines[0].Name)
	cache.put(fmt.Sprint("order ", len(orders)), order.Lines[0].Note)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/keep", keep)
	http.HandleFunc("/tag", tag)
	http.HandleFunc("/decode", decode)
	http.HandleFunc("/gc", func(w http.ResponseWriter, r *http.Request) { runtime.GC() })
	fmt.Fprintf(os.Stdout, "listening http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
