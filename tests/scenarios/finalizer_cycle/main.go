// Finalizer_cycle gives a pair of objects that point to each other a finalizer: Go never runs
// finalizers of a cycle, and never frees the pair.
//
//truth:service verdict=leak trap=finalizer ops=1000
//truth:site mark=reader function=main.newPair type=main.reader alloc=new size=4096 per_op=1 holder=finalizer cause=main.open
//truth:site mark=writer function=main.newPair type=main.writer alloc=new size=1024 per_op=1 holder=finalizer cause=main.open
package main

import (
	"runtime"

	"memsnap.test/scenarios/internal/bench"
)

const (
	readerSize = 4 << 10
	writerSize = 1 << 10
	header     = 8 // larger objects with pointers have a header of 8 bytes, from Go 1.22 on
)

type reader struct {
	writer *writer
	data   [readerSize - 8 - header]byte
}

type writer struct {
	reader *reader
	data   [writerSize - 8 - header]byte
}

var finalized int

func newPair() *reader {
	r := new(reader)       // site: reader
	r.writer = new(writer) // site: writer
	r.writer.reader = r
	return r
}

func open() {
	r := newPair()
	runtime.SetFinalizer(r, func(*reader) { finalized++ }) // cause
}

func main() {
	bench.Main(func(int) {
		open()
		bench.Keep(2, readerSize+writerSize)
	})
}
