// Ticker polls each device that was ever connected: its goroutine waits for a ticker that nobody
// stops, and keeps the buffer that it reads into.
//
//truth:service verdict=leak trap=timer ops=500
//truth:site mark=buffer function=main.connect type=[]uint8 alloc=make size=8192 per_op=1 holder=goroutine cause=main.poll,runtime.malg,runtime.mallocgc
package main

import (
	"sync/atomic"
	"time"

	"memsnap.test/scenarios/internal/bench"
)

const bufferSize = 8 << 10

var polled atomic.Int64

func connect(device int) {
	buffer := make([]byte, bufferSize) // site: buffer
	buffer[0] = byte(device)
	go poll(time.NewTicker(time.Hour), buffer) // cause
}

func poll(ticker *time.Ticker, buffer []byte) {
	for range ticker.C { // cause
		polled.Add(int64(buffer[0]))
	}
}

func main() {
	bench.Main(func(i int) {
		connect(i)
		bench.Keep(1, bufferSize)
	})
}
