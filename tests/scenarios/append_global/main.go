// Append_global keeps an audit trail in memory: nothing ever takes entries out, and each time the
// array is full, append moves the trail to a larger one.
//
//truth:service verdict=leak trap=append-growth ops=100000 op=64
//truth:site mark=append function=main.record type=[]main.entry alloc=append holder=main.audit
package main

import "memsnap.test/scenarios/internal/bench"

type entry struct {
	user, path  string
	status, ops int
	details     [2]int
}

const entrySize = 64

var audit []entry

func record(e entry) {
	audit = append(audit, e) // site: append
}

func main() {
	bench.Main(func(i int) {
		record(entry{user: "nobody", path: "/", status: 200, ops: i})
		bench.SetHeld(1, cap(audit)*entrySize)
	})
}
