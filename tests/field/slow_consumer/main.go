// Slow_consumer passes audit records to a writer through a channel of a million places; the writer
// manages half of them, so that the backlog grows.
//
//truth:service verdict=leak trap=backlog ops=1000 op=518
//truth:site mark=record function=main.newRecord type=main.record alloc=new holder=audit
//truth:site mark=body function=main.newRecord type=[]uint8 alloc=make holder=audit
package main

import (
	"fmt"
	"net/http"
	"time"

	"example.org/field/internal/run"
)

type record struct {
	at   time.Time
	user string
	body []byte
	hash [16]byte
}

var audit = make(chan *record, 1<<18)

func newRecord(user string, size int) *record {
	body := make([]byte, 800+size)                         // site: body
	return &record{at: time.Now(), user: user, body: body} // site: record
}

func write(written *int) {
	for r := range audit {
		*written += len(r.body)
		<-audited
	}
}

var audited = make(chan struct{}, 1<<20)

func main() {
	written := 0
	go write(&written) // cause
	http.HandleFunc("/account", func(w http.ResponseWriter, r *http.Request) {
		audit <- newRecord(r.FormValue("user"), len(r.URL.RawQuery)*8) // cause
		fmt.Fprintln(w, "saved")
	})
	run.Main(func(c *run.Client, i int) {
		c.Get(fmt.Sprintf("/account?user=%d", i%1000))
		if i%2 == 0 { // the disk takes every other record
			audited <- struct{}{}
		}
	})
}
