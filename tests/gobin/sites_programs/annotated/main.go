// Command annotated allocates in many ways and says beside each line what it allocates.
//
// A comment "want: T" names the type of what the line allocates, as memsnap prints it; several
// types are separated by " | ".  It writes a heap profile to the file that it is given.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/pprof"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

type Point struct{ X, Y int }

type Node struct {
	Next *Node
	Name string
	Data []byte
}

type Big struct {
	Head *Node
	Body [100]int64
	Tail *Node
}

type Flat struct{ V [40]int64 }

type Shape interface{ Area() float64 }

type Square struct{ Side, Factor float64 }

func (s Square) Area() float64 { return s.Side * s.Side * s.Factor }

type Money int64

type Label string

type Document struct {
	ID    int
	Tags  []string
	Inner *Document
	Attrs map[string]string
}

type File struct {
	Meta  any
	Sizes map[string]int64
}

type Folder struct{ Files map[string]File }

type Wide struct {
	Key  [40]int64
	Link *Node
}

var keep []any

var kept struct {
	points  []*Point
	nodes   []*Node
	shapes  []Shape
	funcs   []func() int
	strs    []string
	raw     [][]byte
	runes   [][]rune
	anys    []any
	maps    []map[string]int
	errors  []error
	arrays  []*[20]Node
	pairs   []*Pair[string, int]
	lists   []*List[*Node]
	ints    []*List[int]
	stack   []*Stack[Point]
	shared  *Node
	strings map[string]*Node
	sets    []map[string]bool
}

type Grid struct {
	Size  int
	Cells []map[int]int
	Names map[string]bool
}

//go:noinline
func (g *Grid) fill() {
	g.Names = map[string]bool{} // want: map[string]bool
	for i := range g.Cells {
		g.Cells[i] = map[int]int{} // want: map[int]int
	}
}

//go:noinline
func enter(names map[string]bool, name string) { names[name] = true } // want: map[string]bool

//go:noinline
func entered() map[string]bool {
	names := map[string]bool{} // want: map[string]bool
	enter(names, text())
	return names
}

var registry map[string]*Point

//go:noinline
func opened() {
	registry = map[string]*Point{} // want: map[string]*main.Point
}

//go:noinline
func register(name string) { registry[name] = &Point{1, len(name)} } // want: main.Point | string | map[string]*main.Point

//go:noinline
func take(names map[string]bool) {
	names["taken"] = true                // want: map[string]bool
	kept.sets = append(kept.sets, names) // want: []map[string]bool
}

//go:noinline
func grids() {
	take(map[string]bool{}) // want: map[string]bool
	opened()
	register(text())
	g := &Grid{Cells: make([]map[int]int, number()/100)} // want: main.Grid | []map[int]int
	g.fill()
	kept.sets = append(kept.sets, entered()) // want: []map[string]bool
	keep = append(keep, g)                   // want: []any
}

//go:noinline
func number() int { return len(os.Args) + 700 }

//go:noinline
func text() string { return strings.Repeat("t", len(os.Args)) }

//go:noinline
func objects() {
	kept.points = append(kept.points, &Point{number(), 2}) // want: main.Point | []*main.Point
	kept.nodes = append(kept.nodes, new(Node))             // want: main.Node | []*main.Node
	p := new(Big)                                          // want: main.Big
	p.Head = &Node{Name: "head"}                           // want: main.Node
	p.Tail = p.Head
	keep = append(keep, p)         // want: []any
	keep = append(keep, new(Flat)) // want: main.Flat | []any
	array := new([20]Node)         // want: [20]main.Node
	kept.arrays = append(kept.arrays, array)
	pp := new(*Node) // want: *main.Node
	keep = append(keep, pp)
	s := new(string) // want: string
	*s = text()
	keep = append(keep, s)
	mutex := &sync.Mutex{} // want: sync.Mutex
	keep = append(keep, mutex)
	buffer := new(bytes.Buffer) // want: bytes.Buffer
	buffer.WriteString("some text")
	keep = append(keep, buffer)
	anonymous := &struct { // want: struct { A int; B *main.Node }
		A int
		B *Node
	}{1, nil}
	keep = append(keep, anonymous)
}

//go:noinline
func slices() {
	n := number()
	a := make([]int, n) // want: []int
	keep = append(keep, &a[0])
	b := make([]Node, 3, n) // want: []main.Node
	keep = append(keep, &b[0])
	c := make([]*Node, 10) // want: []*main.Node
	keep = append(keep, &c[0])
	d := make([][]string, n) // want: [][]string
	keep = append(keep, &d[0])
	e := []Point{{1, 2}, {3, 4}, {n, 6}} // want: []main.Point | [3]main.Point
	keep = append(keep, &e[0])
	var f []Node
	for i := 0; i < n; i++ {
		f = append(f, Node{}) // want: []main.Node
	}
	keep = append(keep, &f[0])
	g := append([]*Node(nil), c...) // want: []*main.Node
	keep = append(keep, &g[0])
	h := append([]byte(nil), text()...) // want: []byte | pointer-free slice
	kept.raw = append(kept.raw, h)      // want: [][]byte
	i := make([]Money, n)               // want: []main.Money
	keep = append(keep, &i[0])
	j := make([]any, n) // want: []any
	keep = append(keep, &j[0])
	k := make([]func(), n) // want: []func()
	keep = append(keep, &k[0])
	l := make([]Node, len(b)) // want: []main.Node
	copy(l, b)
	keep = append(keep, &l[0])
	m := append([]Node(nil), b...) // want: []main.Node
	keep = append(keep, &m[0])
	var small []int32
	small = append(small, int32(n)) // want: []int32
	keep = append(keep, &small[0])
}

//go:noinline
func maps() {
	n := number()
	a := make(map[string]int) // want: map[string]int
	for i := 0; i < n; i++ {
		a["key"+strconv.Itoa(i)] = i // want: string | map[string]int
	}
	kept.maps = append(kept.maps, a) // want: []map[string]int
	b := make(map[int]*Node, n)      // want: map[int]*main.Node
	b[n] = kept.shared
	keep = append(keep, b)
	c := map[Point]Node{{1, 2}: {}} // want: map[main.Point]main.Node
	c[Point{3, n}] = Node{}         // want: map[main.Point]main.Node
	keep = append(keep, c)
	d := make(map[Wide]Wide, 4) // want: map[main.Wide]main.Wide
	d[Wide{}] = Wide{}          // want: map[main.Wide]main.Wide
	keep = append(keep, d)
	e := make(map[string]map[string]bool) // want: map[string]map[string]bool
	e["one"] = make(map[string]bool)      // want: map[string]bool | map[string]map[string]bool
	e["one"][text()] = true               // want: map[string]bool
	keep = append(keep, e)
	f := make(map[any]struct{}, n) // want: map[any]struct {}
	f[n] = struct{}{}              // want: int | map[any]struct {}
	keep = append(keep, f)
	g := map[uint32]Money{} // want: map[uint32]main.Money
	for i := 0; i < n; i++ {
		g[uint32(i)] = 1 // want: map[uint32]main.Money
	}
	keep = append(keep, g)
	keep = append(keep, map[int64]string{int64(n): "x"}) // want: map[int64]string | []any
}

//go:noinline
func channels() {
	a := make(chan int, number()) // want: chan int
	b := make(chan *Node)         // want: chan *main.Node
	c := make(chan Node, 50)      // want: chan main.Node
	d := make(chan struct{})      // want: chan struct {}
	keep = append(keep, a, b, c, d)
}

//go:noinline
func texts() {
	a := text() + strconv.Itoa(number()) + "suffix" // want: string
	b := string([]byte(a + "bytes of some length")) // want: string
	c := []byte(b)                                  // want: []byte
	d := []rune(b)                                  // want: []rune
	e := string(d)                                  // want: string
	f := fmt.Sprintf("%s-%d", e, number())
	g := strings.Clone(f)
	kept.strs = append(kept.strs, a, b, e, f, g) // want: []string
	kept.raw = append(kept.raw, c)               // want: [][]byte
	kept.runes = append(kept.runes, d)           // want: [][]int32
}

//go:noinline
func boxes() {
	n := number()
	kept.anys = append(kept.anys, n)                    // want: int | []any
	kept.anys = append(kept.anys, text())               // want: string | []any
	kept.anys = append(kept.anys, Point{n, n})          // want: main.Point | []any
	kept.anys = append(kept.anys, Money(n))             // want: main.Money | []any
	kept.anys = append(kept.anys, Label(text()))        // want: main.Label | []any
	kept.anys = append(kept.anys, float64(n))           // want: float64 | []any
	kept.anys = append(kept.anys, int32(n))             // want: int32 | []any
	kept.anys = append(kept.anys, uint16(n))            // want: uint16 | []any
	kept.anys = append(kept.anys, kept.strs)            // want: []string | []any
	kept.anys = append(kept.anys, time.Duration(n)<<20) // want: time.Duration | []any
	kept.anys = append(kept.anys, [3]string{text()})    // want: [3]string | []any
	kept.shapes = append(kept.shapes, Square{2, 3})     // want: main.Square | []main.Shape
	kept.errors = append(kept.errors, errors.New("x"))  // want: []error | errors.errorString
	kept.errors = append(kept.errors, returned(n))      // want: []error
}

type code int

func (c code) Error() string { return "code" }

//go:noinline
func returned(n int) error {
	return code(n) // want: main.code
}

//go:noinline
func closures() {
	n := number()
	node := &Node{Name: "captured"}                                           // want: main.Node | *main.Node
	kept.funcs = append(kept.funcs, func() int { return n + len(node.Name) }) // want: closure main.closures.func1 | []func() int
	kept.funcs = append(kept.funcs, node.size)                                // want: closure main.(*Node).size-fm | []func() int
	kept.funcs = append(kept.funcs, counter())                                // want: []func() int
	kept.funcs = append(kept.funcs, func() int { n++; node = nil; return n }) // want: closure main.closures.func2 | []func() int
}

func (n *Node) size() int { return len(n.Data) }

//go:noinline
func counter() func() int {
	total := number()   // want: int
	return func() int { // want: closure main.counter.func1
		total++
		return total
	}
}

type Pair[K comparable, V any] struct {
	Key   K
	Value V
	Next  *Pair[K, V]
}

type List[T any] struct {
	Items []T
	Next  *List[T]
}

func (l *List[T]) Push(v T) {
	l.Items = append(l.Items, v)
}

type Stack[T any] struct {
	top *cell[T]
}

type cell[T any] struct {
	value T
	below *cell[T]
}

//go:noinline
func (s *Stack[T]) Push(v T) {
	s.top = &cell[T]{v, s.top} // want: main.cell[example.com/programs/annotated.Point] | main.cell[main.Point]
}

//go:noinline
func newPair[K comparable, V any](k K, v V) *Pair[K, V] {
	return &Pair[K, V]{Key: k, Value: v} // want: main.Pair[string,int] | main.Pair[int,*main.Node]
}

//go:noinline
func newList[T any](v T, n int) *List[T] {
	l := &List[T]{} // want: main.List[*main.Node] | main.List[int] | main.List[*main.Point]
	for i := 0; i < n; i++ {
		l.Items = append(l.Items, v) // want: []*main.Node | []int | []*main.Point
	}
	return l
}

//go:noinline
func mapped[T, U any](in []T, f func(T) U) []U {
	out := make([]U, 0, len(in)) // want: []string | []*main.Point
	for _, v := range in {
		out = append(out, f(v))
	}
	return out
}

//go:noinline
func counted[K comparable](keys []K) map[K]int {
	counts := make(map[K]int, len(keys)) // want: map[string]int | map[int]int
	for _, key := range keys {
		counts[key]++
	}
	return counts
}

//go:noinline
func boxed[T any](v T) any {
	return v // want: main.Point | int
}

//go:noinline
func outer[T any](n int) []T {
	return inner[T](n)
}

//go:noinline
func inner[T any](n int) []T {
	return make([]T, n) // want: []main.Node | []*main.Big
}

//go:noinline
func generics() {
	kept.pairs = append(kept.pairs, newPair("one", number())) // want: []*main.Pair[string,int]
	keep = append(keep, newPair(number(), kept.shared))
	kept.lists = append(kept.lists, newList(kept.shared, 10)) // want: []*main.List[*main.Node]
	kept.ints = append(kept.ints, newList(number(), 10))      // want: []*main.List[int]
	keep = append(keep, newList(&Point{1, number()}, 20))     // want: main.Point | []any
	keep = append(keep, &outer[Node](number())[0])
	keep = append(keep, &outer[*Big](number())[0])
	names := mapped([]int{1, 2, number()}, strconv.Itoa)
	keep = append(keep, &names[0])
	points := mapped(names, func(s string) *Point { return &Point{len(s), 1} }) // want: main.Point
	keep = append(keep, &points[0])
	keep = append(keep, counted(names), counted([]int{1, 2, number()}))
	keep = append(keep, boxed(Point{1, number()}), boxed(number()))
	stack := &Stack[Point]{} // want: main.Stack[example.com/programs/annotated.Point] | main.Stack[main.Point]
	stack.Push(Point{1, 2})
	stack.Push(Point{3, 4})
	kept.stack = append(kept.stack, stack)
	list := &List[Money]{}
	for i := 0; i < number(); i++ {
		list.Push(Money(i)) // want: []main.Money
	}
	keep = append(keep, list)
}

//go:noinline
func later[T any](n int) func() []T {
	return func() []T {
		return make([]T, n) // want: []main.Node | []main.Money
	}
}

//go:noinline
func each(n int, do func(int)) {
	for i := 0; i < n; i++ {
		do(i)
	}
}

//go:noinline
func gathered[T any](n int, v T) []*List[T] {
	var all []*List[T]
	each(n, func(int) {
		items := make([]T, n) // want: []*main.Node | []string
		items[0] = v
		all = append(all, &List[T]{Items: items}) // want: main.List[*main.Node] | main.List[string] | []*main.List[*main.Node] | []*main.List[string]
	})
	return all
}

type Maker interface{ Make(n int) any }

type Factory[T any] struct{ scale int }

//go:noinline
func (f Factory[T]) Make(n int) any {
	made := make([]T, n*f.scale) // want: []main.Node | []int | []main.Big | []main.Wide
	return &made[0]
}

//go:noinline
func made(m Maker) any { return m.Make(len(os.Args) + 1) }

var makers = []Maker{Factory[Wide]{1}, &Factory[Wide]{2}}

type First struct{ V [50]int64 }

type Second struct{ V [51]int64 }

type Picker interface{ Pick(a, b reflect.Type) any }

// A Three is as many words as a reflect.Type and the pointer in an interface.
type Three struct{ a, b, c int }

//go:noinline
func (Three) Pick(a, b reflect.Type) any { return reflect.New(a).Interface() }

var pickers = []Picker{Three{1, 2, number()}}

//go:noinline
func picked(p Picker) any { return p.Pick(reflect.TypeOf(First{}), reflect.TypeOf(Second{})) }

type Options struct{ of reflect.Type }

//go:noinline
func (o *Options) change() { o.of = reflect.TypeOf(Second{}) }

//go:noinline
func (o *Options) build() any { return reflect.New(o.of).Interface() }

type Outer struct {
	*Factory[Big]
	name string
}

//go:noinline
func indirect() {
	keep = append(keep, &later[Node](len(os.Args))()[0], &later[Money](len(os.Args))()[0])
	keep = append(keep, gathered(3, kept.shared), gathered(3, text()))
	keep = append(keep, made(Factory[Node]{1}), made(Factory[int]{2}), made(&Factory[int]{3}))
	keep = append(keep, (&Factory[Node]{2}).Make(5))
	keep = append(keep, made(Outer{&Factory[Big]{1}, "outer"}))
	for _, maker := range makers {
		keep = append(keep, maker.Make(2))
	}
}

//go:noinline
func reflected() {
	v := reflect.New(reflect.TypeOf(Big{}))
	keep = append(keep, v.Interface())
	keep = append(keep, picked(Three{1, 2, number()}), picked(pickers[0]))
	options := &Options{reflect.TypeOf(First{})} // want: main.Options
	keep = append(keep, options)
	options.change()
	keep = append(keep, options.build())
	s := reflect.MakeSlice(reflect.TypeOf([]Node{}), number(), number())
	keep = append(keep, s.Index(0).Addr().Interface())
	var folder Folder
	nested := `{"Files":{"a":{"Meta":"m","Sizes":{"s":1}}}}`
	if err := json.Unmarshal([]byte(nested), &folder); err != nil {
		panic(err)
	}
	keep = append(keep, &folder)
	var d Document
	err := json.Unmarshal([]byte(`{"ID":7,"Tags":["a","b"],"Inner":{"ID":8},"Attrs":{"k":"v"}}`), &d)
	if err != nil {
		panic(err)
	}
	keep = append(keep, &d)
	list := []string{"b", "a", text()}
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	keep = append(keep, &list[0])
	pool := sync.Pool{New: func() any { return new(Flat) }} // want: main.Flat | sync.Pool
	keep = append(keep, pool.Get())
	var builder strings.Builder
	for i := 0; i < 100; i++ {
		builder.WriteString("more ")
	}
	kept.strs = append(kept.strs, builder.String())
}

func main() {
	kept.shared = &Node{Name: text()} // want: main.Node
	keep = make([]any, 0, 8)          // want: []any | pointer-free slice
	objects()
	grids()
	slices()
	maps()
	channels()
	texts()
	boxes()
	closures()
	generics()
	indirect()
	reflected()
	runtime.GC()
	out, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.WriteHeapProfile(out); err != nil {
		panic(err)
	}
	if err := out.Close(); err != nil {
		panic(err)
	}
	runtime.KeepAlive(keep)
	runtime.KeepAlive(kept)
}
