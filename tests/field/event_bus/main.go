// Event_bus lets each visitor of the live page subscribe, and forgets to take back the
// subscription when the visitor leaves: the broker keeps the channel, and the events in it.
//
//truth:service verdict=leak trap=subscribers ops=1000 op=1670
//truth:site mark=sub function=main.(*broker).subscribe type=main.subscription alloc=new holder=broker.topics
//truth:site mark=chan function=main.(*broker).subscribe alloc=makechan holder=broker.topics
//truth:site mark=list function=main.(*broker).subscribe alloc=append holder=broker.topics
package main

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"example.org/field/internal/run"
)

type event struct {
	id    int
	topic string
	at    time.Time
}

type subscription struct {
	topic string
	since time.Time
	ready chan event
	last  [4]event
}

type broker struct {
	mu     sync.Mutex
	topics map[string][]*subscription
}

func (b *broker) subscribe(topic string) *subscription {
	s := &subscription{topic: topic, since: time.Now()} // site: sub
	s.ready = make(chan event, 24)                      // site: chan
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[topic] = append(b.topics[topic], s) // site: list
	return s
}

func (b *broker) publish(e event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.topics[e.topic] {
		select {
		case s.ready <- e:
		default: // a slow visitor misses events
		}
	}
}

func main() {
	events := &broker{topics: map[string][]*subscription{}}
	go func() {
		for i := 0; ; i++ {
			time.Sleep(time.Second)
			events.publish(event{id: i, topic: fmt.Sprint("match/", i%5), at: time.Now()})
		}
	}()
	http.HandleFunc("/live", func(w http.ResponseWriter, r *http.Request) {
		mine := events.subscribe("match/" + r.FormValue("match")) // cause
		select {
		case e := <-mine.ready:
			fmt.Fprintln(w, e.id)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	run.Main(func(c *run.Client, i int) { c.Get(fmt.Sprint("/live?match=", i%5)) })
}
