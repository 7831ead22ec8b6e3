// Batch_bursts loads a file of 24 MB every fourteen seconds, works on it for five, and drops it.
//
//truth:service verdict=churn also=load,steady shape=batch ops=1000 per_s=10
//truth:site mark=record function=main.load per_op=0 holder=stack
//truth:site mark=name function=main.load leaf=no per_op=0 holder=stack
package main

import (
	"fmt"
	"net/http"
	"time"

	"example.org/field/internal/run"
)

type record struct {
	name string
	data [3_000]byte
}

func load() []*record {
	var records []*record
	for i := 0; i < 8_000; i++ {
		name := fmt.Sprint("record ", i)               // site: name
		records = append(records, &record{name: name}) // site: record
	}
	return records
}

func batch() int {
	records, total := load(), 0
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); {
		for _, r := range records {
			total += len(r.name)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return total + len(records)
}

func main() {
	last := 0
	go func() {
		for {
			last = batch()
			time.Sleep(9 * time.Second)
		}
	}()
	http.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "running", last >= 0)
	})
	run.Main(func(c *run.Client, _ int) { c.Get("/status") })
}
