// Command zoo prints what reflect says of its types, one JSON document, next to the full names
// that a reader of the executable should find.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	pets "memsnap.test/programs/pets.v2"
)

type (
	number         int
	callback       func(pets.Cat) (n int, err error)
	tree           map[string]tree
	queue          chan<- *pets.Cat
	grid           [3][4]float32
	pair[A, B any] struct {
		a A
		b B
	}
	pointer *pair[int, string]
)

func (n number) String() string { return "number" }

type sample struct {
	value any
	full  string
}

var samples = []sample{
	{true, "bool"},
	{"", "string"},
	{complex64(0), "complex64"},
	{uintptr(0), "uintptr"},
	{unsafe.Pointer(nil), "unsafe.Pointer"},
	{number(1), "main.number"},
	{new(number), "*main.number"},
	{[]byte(nil), "[]uint8"},
	{[]rune(nil), "[]int32"},
	{[4]*string{}, "[4]*string"},
	{grid{}, "main.grid"},
	{[2]grid{}, "[2]main.grid"},
	{tree(nil), "main.tree"},
	{map[string]any(nil), "map[string]interface {}"},
	{map[pets.Home][]pets.Cat(nil), "map[memsnap.test/programs/pets.v2.Home][]memsnap.test/programs/pets.v2.Cat"},
	{map[[2]int8]map[number]*url.URL(nil), "map[[2]int8]map[main.number]*net/url.URL"},
	{make(chan int), "chan int"},
	{(<-chan time.Time)(nil), "<-chan time.Time"},
	{(chan<- error)(nil), "chan<- error"},
	{make(chan (<-chan bool)), "chan (<-chan bool)"},
	{make(chan chan<- bool), "chan chan<- bool"},
	{queue(nil), "main.queue"},
	{func() {}, "func()"},
	{func(int, ...string) error { return nil }, "func(int, ...string) error"},
	{func(a, b pets.Alias) (x, y int) { return }, "func(memsnap.test/programs/pets.v2.Cat, memsnap.test/programs/pets.v2.Cat) (int, int)"},
	{func(func(io.Reader) io.Writer) {}, "func(func(io.Reader) io.Writer)"},
	{callback(nil), "main.callback"},
	{struct{}{}, "struct {}"},
	{[]struct{}{}, "[]struct {}"},
	{struct {
		A int `json:"a,omitempty" weird:"q\"u\\o"`
		b *pets.Cat
	}{}, "struct { A int \"json:\\\"a,omitempty\\\" weird:\\\"q\\\\\\\"u\\\\\\\\o\\\"\"; b *memsnap.test/programs/pets.v2.Cat }"},
	{struct {
		io.Reader
		*sync.Mutex
		F func() any
	}{}, "struct { io.Reader; *sync.Mutex; F func() interface {} }"},
	{pets.Anonymous(), "struct { inner memsnap.test/programs/pets.v2.Cat; N int }"},
	{new(any), "*interface {}"},
	{new(error), "*error"},
	{new(pets.Purrer), "*memsnap.test/programs/pets.v2.Purrer"},
	{pets.Nameless(), "*interface { Purr() string; memsnap.test/programs/pets.v2.private(memsnap.test/programs/pets.v2.Cat) error }"},
	{new(interface {
		io.Reader
		Close(...int)
	}), "*interface { Close(...int); Read([]uint8) (int, error) }"},
	{pets.Cat{}, "memsnap.test/programs/pets.v2.Cat"},
	{[]*pets.Cat{}, "[]*memsnap.test/programs/pets.v2.Cat"},
	{pair[int, string]{}, "main.pair[int,string]"},
	{pointer(nil), "main.pointer"},
	{&pair[pets.Cat, *pair[number, []url.Values]]{}, "*main.pair[memsnap.test/programs/pets.v2.Cat,*main.pair[main.number,[]net/url.Values]]"},
	{&pair[pair[pets.Cat, pets.Cat], pair[pets.Cat, pets.Cat]]{}, "*main.pair[main.pair[memsnap.test/programs/pets.v2.Cat,memsnap.test/programs/pets.v2.Cat],main.pair[memsnap.test/programs/pets.v2.Cat,memsnap.test/programs/pets.v2.Cat]]"},
	{pets.Litter[string, *pets.Cat]{}, "memsnap.test/programs/pets.v2.Litter[string,*memsnap.test/programs/pets.v2.Cat]"},
	{[]pets.Litter[url.URL, struct{ X any }]{}, "[]memsnap.test/programs/pets.v2.Litter[net/url.URL,struct { X interface {} }]"},
	{atomic.Value{}, "sync/atomic.Value"},
	{new(bytes.Buffer), "*bytes.Buffer"},
	{json.Number(""), "encoding/json.Number"},
	{url.Values(nil), "net/url.Values"},
	{map[int64]*[9]pets.Litter[int8, bool](nil), "map[int64]*[9]memsnap.test/programs/pets.v2.Litter[int8,bool]"},
	{map[[200]byte][200]byte(nil), "map[[200]uint8][200]uint8"},
}

type field struct {
	Name     string
	Type     uintptr
	Offset   uintptr
	Tag      string
	Embedded bool
}

type described struct {
	Address  uintptr
	String   string
	PkgPath  string
	Kind     uint
	Size     uintptr
	Align    int
	Elem     uintptr
	Key      uintptr
	Len      int
	Dir      int
	Fields   []field
	In, Out  []uintptr
	Variadic bool
	Methods  []string
}

func addressOf(t reflect.Type) uintptr {
	return (*[2]uintptr)(unsafe.Pointer(&t))[1]
}

var seen = map[reflect.Type]bool{}
var all []described

func describe(t reflect.Type) uintptr {
	if seen[t] {
		return addressOf(t)
	}
	seen[t] = true
	d := described{
		Address: addressOf(t), String: t.String(), PkgPath: t.PkgPath(), Kind: uint(t.Kind()),
		Size: t.Size(), Align: t.Align(),
	}
	switch t.Kind() {
	case reflect.Array, reflect.Chan, reflect.Map, reflect.Ptr, reflect.Slice:
		d.Elem = describe(t.Elem())
	}
	switch t.Kind() {
	case reflect.Array:
		d.Len = t.Len()
	case reflect.Chan:
		d.Dir = int(t.ChanDir())
	case reflect.Map:
		d.Key = describe(t.Key())
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			d.Fields = append(d.Fields, field{f.Name, describe(f.Type), f.Offset, string(f.Tag), f.Anonymous})
		}
	case reflect.Func:
		for i := 0; i < t.NumIn(); i++ {
			d.In = append(d.In, describe(t.In(i)))
		}
		for i := 0; i < t.NumOut(); i++ {
			d.Out = append(d.Out, describe(t.Out(i)))
		}
		d.Variadic = t.IsVariadic()
	case reflect.Interface:
		for i := 0; i < t.NumMethod(); i++ {
			d.Methods = append(d.Methods, t.Method(i).Name)
			describe(t.Method(i).Type)
		}
	}
	all = append(all, d)
	return d.Address
}

func main() {
	type named struct {
		Address uintptr
		Full    string
	}
	var names []named
	for _, s := range samples {
		names = append(names, named{describe(reflect.TypeOf(s.value)), s.full})
	}
	out := map[string]any{"Main": reflect.ValueOf(main).Pointer(), "Samples": names, "Types": all}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}
