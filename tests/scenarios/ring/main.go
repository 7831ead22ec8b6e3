// Ring keeps the last 4,096 requests: it grows to 16 MB, then each request replaces the oldest.
//
//truth:service verdict=steady also=cache,one-time,churn shape=ring settle=4096 ops=4096 per_s=160
//truth:site mark=request function=main.receive type=main.request alloc=new size=4096 per_op=0 holder=main.recent
package main

import "memsnap.test/scenarios/internal/bench"

const (
	slots       = 4_096
	requestSize = 4 << 10
)

type request struct {
	id   int
	body [requestSize - 8]byte
}

var recent [slots]*request

func receive(id int) *request {
	return &request{id: id} // site: request
}

func main() {
	bench.Main(func(i int) {
		if recent[i%slots] == nil {
			bench.Keep(1, requestSize)
		}
		recent[i%slots] = receive(i)
	})
}
