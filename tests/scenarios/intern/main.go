// Intern keeps one copy of each header value, to save memory; one of the headers is the request's
// own id, so that hardly any value comes twice.
//
//truth:service verdict=leak trap=intern ops=20000 op=190
//truth:site mark=copy function=main.intern type=string alloc=string size=128 per_op=1 holder=main.known
//truth:site mark=table function=main.intern type=map[string]string alloc=map holder=main.known
package main

import (
	"strconv"
	"strings"

	"memsnap.test/scenarios/internal/bench"
)

const copySize = 128

var (
	known  = map[string]string{}
	header = []byte(strings.Repeat("x", copySize))
	length int
)

func intern(text []byte) string {
	if same, found := known[string(text)]; found {
		return same
	}
	fresh := string(text) // site: copy
	known[fresh] = fresh  // site: table
	return fresh
}

func main() {
	bench.Main(func(i int) {
		copy(header, strconv.Itoa(1_000_000_000+i))
		length += len(intern(header))
		bench.Keep(1, copySize)
	})
}
