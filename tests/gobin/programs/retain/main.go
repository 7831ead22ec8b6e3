// Command retain keeps objects allocated in many ways, among them through inlined calls,
// closures, methods behind wrappers and generics, and writes its heap profile to a file.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
	"text/template"
)

type shape interface{ grow(n int) any }

type circle struct{ points []float64 }

func (c circle) grow(n int) any { return append(c.points, make([]float64, n)...) }

type wrapped struct{ circle }

func small(n int) []byte  { return make([]byte, n) }
func middle(n int) []byte { return small(n + 1) }
func outer(n int) [][]byte {
	return [][]byte{middle(n), small(n)}
}

func instantiated[T any](n int) []T { return make([]T, n) }

type stack[T any] struct{ items []T }

func (s *stack[T]) push(v T) { s.items = append(s.items, v) }

var kept []any

func keep(v any) { kept = append(kept, v) }

func main() {
	runtime.MemProfileRate = 1
	for i := 1; i < 50; i++ {
		keep(outer(i * 10))
		keep(instantiated[int64](i))
		keep(instantiated[*circle](i))
		var s shape = &wrapped{}
		keep(s.grow(i))
		s = wrapped{}
		keep(s.grow(i))
		var st stack[string]
		st.push(strings.Repeat("x", i))
		keep(&st)
		keep(func() int { return i })
		grow := s.grow
		keep(grow(3))
		m := map[string][]int{}
		for j := 0; j < i; j++ {
			m[fmt.Sprint(j)] = make([]int, j)
		}
		keep(m)
	}
	var group sync.WaitGroup
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			c := make(chan []string, 9)
			c <- strings.Split("a,b,c", ",")
		}()
	}
	group.Wait()
	var document map[string]any
	if err := json.Unmarshal([]byte(`{"a": [1, 2, {"b": "c"}], "d": {"e": null}}`), &document); err != nil {
		panic(err)
	}
	keep(document)
	var text bytes.Buffer
	template.Must(template.New("t").Parse("{{range .}}{{.}}{{end}}")).Execute(&text, []int{1, 2})
	keep(text.String())
	sort.Slice(kept[:9], func(a, b int) bool { return a < b })
	runtime.GC()
	runtime.GC()
	file, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.Lookup("heap").WriteTo(file, 0); err != nil {
		panic(err)
	}
	if err := file.Close(); err != nil {
		panic(err)
	}
	runtime.KeepAlive(kept)
}
