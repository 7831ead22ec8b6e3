// Cache_no_evict remembers the answer to each search, by the whole query, and forgets none.
//
//truth:service verdict=leak trap=cache ops=2000 op=3150
//truth:site mark=result function=main.search type=main.result alloc=new size=3072 per_op=1 holder=main.cache cause=main.find
//truth:site mark=key function=main.find type=string alloc=string size=32 per_op=1 holder=main.cache
package main

import (
	"strconv"

	"memsnap.test/scenarios/internal/bench"
)

const (
	resultSize = 3 << 10
	keySize    = 32
)

type result struct {
	hits int
	rows [resultSize - 8]byte
}

var cache = map[string]*result{}

func search(query string) *result {
	return &result{hits: len(query)} // site: result
}

func find(customer, term int) *result {
	query := "customer=" + strconv.Itoa(1_000_000+customer) + "&term=" + strconv.Itoa(1_000_000+term) // site: key
	if r := cache[query]; r != nil {
		return r
	}
	r := search(query)
	cache[query] = r // cause
	return r
}

func main() {
	bench.Main(func(i int) {
		find(i, 7*i)
		bench.Keep(2, resultSize+keySize)
	})
}
