// Sawtooth collects 1,000 records, writes them out and starts afresh: between two captures it may
// have grown by 4 MB or shrunk by as much, and it keeps nothing.
//
//truth:service verdict=churn shape=sawtooth settle=1000 ops=2000 peak=999 per_s=71
//truth:site mark=record function=main.collect type=[]uint8 alloc=make size=4096 per_op=0
package main

import "memsnap.test/scenarios/internal/bench"

const (
	batchSize  = 1_000
	recordSize = 4 << 10
)

var batch = make([][]byte, 0, batchSize)

func collect(i int) {
	record := make([]byte, recordSize) // site: record
	record[0] = byte(i)
	batch = append(batch, record)
	bench.Keep(1, recordSize)
}

func writeOut() {
	bench.Keep(-len(batch), -len(batch)*recordSize)
	clear(batch)
	batch = batch[:0]
}

func main() {
	bench.Main(func(i int) {
		collect(i)
		if len(batch) == batchSize {
			writeOut()
		}
	})
}
