// Subslice reads request bodies and remembers the first bytes of each: the short slice keeps the
// whole body alive.
//
//truth:service verdict=leak trap=capacity ops=500
//truth:site mark=body function=main.readBody type=[]uint8 alloc=make size=16384 per_op=1 holder=main.sessions cause=main.remember
package main

import (
	"strconv"

	"memsnap.test/scenarios/internal/bench"
)

const (
	bodySize   = 16 << 10
	headerSize = 64
)

var sessions = map[string][]byte{}

func readBody(i int) []byte {
	body := make([]byte, bodySize) // site: body
	for at := range body {
		body[at] = byte(i + at)
	}
	return body
}

func remember(id string, header []byte) {
	sessions[id] = header // cause
}

func main() {
	bench.Main(func(i int) {
		body := readBody(i)
		remember(strconv.Itoa(i), body[:headerSize])
		bench.Keep(1, bodySize)
	})
}
