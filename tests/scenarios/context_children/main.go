// Context_children gives each request a context below the service's own and never cancels it: the
// parent keeps a list of its children, and each child its request.
//
//truth:service verdict=leak trap=context ops=1000 op=2500
//truth:site mark=child function=main.serve leaf=no leaves=context.* holder=main.service
//truth:site mark=request function=main.serve type=main.request alloc=new size=2048 per_op=1 holder=main.service
package main

import (
	"context"

	"memsnap.test/scenarios/internal/bench"
)

const (
	requestSize = 2 << 10
	header      = 8 // larger objects with pointers have a header of 8 bytes, from Go 1.22 on
)

type request struct {
	cancel context.CancelFunc
	data   [requestSize - 8 - header]byte
}

type requestKey struct{}

var service, shutdown = context.WithCancel(context.Background())

func serve(id int) {
	r := new(request) // site: request
	r.data[0] = byte(id)
	ctx := context.WithValue(service, requestKey{}, r)
	_, r.cancel = context.WithCancel(ctx) // site: child
}

func main() {
	defer shutdown()
	bench.Main(func(i int) {
		serve(i)
		bench.Keep(1, requestSize)
	})
}
