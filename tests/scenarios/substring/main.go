// Substring keeps the first word of each line as a map key: the short string keeps the line.
//
//truth:service verdict=leak trap=substring ops=1000
//truth:site mark=line function=main.readLine type=string alloc=string size=8192 per_op=1 holder=main.names cause=main.remember
package main

import (
	"strconv"
	"strings"

	"memsnap.test/scenarios/internal/bench"
)

const lineSize = 8 << 10

var (
	names  = map[string]bool{}
	buffer = []byte(strings.Repeat("x ", lineSize/2))
)

func readLine(i int) string {
	copy(buffer, strconv.Itoa(1_000_000+i)+" ")
	return string(buffer) // site: line
}

func remember(line string) {
	name, _, _ := strings.Cut(line, " ")
	names[name] = true // cause
}

func main() {
	bench.Main(func(i int) {
		remember(readLine(i))
		bench.Keep(1, lineSize)
	})
}
