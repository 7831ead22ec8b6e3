// Free_list keeps buffers for reuse, and looks for one of the right size at the wrong end: it
// makes a new one for almost every message, and each comes back to the list.
//
//truth:service verdict=leak trap=pool ops=1000
//truth:site mark=buffer function=main.get type=[]uint8 alloc=make size=6144 per_op=1 holder=main.free cause=main.put
package main

import "memsnap.test/scenarios/internal/bench"

const bufferSize = 6 << 10

var (
	free  [][]byte
	bytes int
)

// get takes the last buffer if it is large enough; it was cut to the last message's length.
func get(size int) []byte {
	if last := len(free) - 1; last >= 0 && len(free[last]) >= size {
		buffer := free[last]
		free = free[:last]
		return buffer[:size]
	}
	buffer := make([]byte, bufferSize) // site: buffer
	return buffer[:size]
}

func put(buffer []byte) {
	free = append(free, buffer) // cause
}

func send(message int) {
	buffer := get(100 + message)
	bytes += len(buffer)
	put(buffer[:8])
}

func main() {
	bench.Main(func(i int) {
		send(i % 1_000)
		bench.Keep(1, bufferSize)
	})
}
