// Headers makes maps of one type and fills them as another, as http.Header does.
package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

type Base map[string][]string

func (b Base) Add(key, value string) { b[key] = append(b[key], value) }

type Header map[string][]string

func (h Header) Add(key, value string) { Base(h).Add(key, value) }

type Request struct{ Header Header }

//go:noinline
func kept(key string) *Request {
	request := &Request{}
	h := make(Header) // kept
	h.Add(key, "value")
	request.Header = h
	return request
}

//go:noinline
func filled(place *Header, key string) {
	h := make(Header) // filled
	h.Add(key, "value")
	*place = h
}

//go:noinline
func direct(place *Header, key string) {
	h := make(Header) // direct
	h[key] = nil
	*place = h
}

func main() {
	request, places := kept(os.Args[1]), make([]Header, 2)
	filled(&places[0], os.Args[1])
	direct(&places[1], os.Args[1])
	runtime.GC()
	runtime.GC()
	out, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.Lookup("heap").WriteTo(out, 0); err != nil {
		panic(err)
	}
	if err := out.Close(); err != nil {
		panic(err)
	}
	runtime.KeepAlive(request)
	runtime.KeepAlive(places)
}
