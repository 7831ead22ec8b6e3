// Lru_keeps_map evicts from the list and forgets the map: the oldest entry leaves the order of use
// and stays reachable by its key. The container is generic.
//
//truth:service verdict=leak trap=eviction ops=1000 op=2860
//truth:site mark=page function=main.render type=[]uint8 alloc=make holder=lru.items
//truth:site mark=entry function=main.(*lru*).put holder=lru.items
//truth:site mark=push function=main.(*lru*).put leaf=no leaves=container/list.* holder=lru.items
package main

import (
	"container/list"
	"fmt"
	"net/http"
	"sync"

	"example.org/field/internal/run"
)

const limit = 200

type item[K comparable, V any] struct {
	key   K
	value V
}

type lru[K comparable, V any] struct {
	mu    sync.Mutex
	items map[K]*list.Element
	order *list.List
}

func newLRU[K comparable, V any]() *lru[K, V] {
	return &lru[K, V]{items: map[K]*list.Element{}, order: list.New()}
}

func (c *lru[K, V]) get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.items[key]; ok && at.Value != nil {
		return at.Value.(*item[K, V]).value, true
	}
	var none V
	return none, false
}

func (c *lru[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := &item[K, V]{key: key, value: value} // site: entry
	c.items[key] = c.order.PushFront(one)      // site: push
	if c.order.Len() > limit {
		c.order.Remove(c.order.Back()) // cause
	}
}

func render(path string) []byte {
	page := make([]byte, 2_600) // site: page
	copy(page, "<html>"+path)
	return page
}

func main() {
	cache := newLRU[string, []byte]()
	http.HandleFunc("/article/", func(w http.ResponseWriter, r *http.Request) {
		page, ok := cache.get(r.URL.Path)
		if !ok {
			page = render(r.URL.Path)
			cache.put(r.URL.Path, page)
		}
		_, _ = w.Write(page)
	})
	run.Main(func(c *run.Client, i int) { c.Get(fmt.Sprint("/article/", i)) })
}
