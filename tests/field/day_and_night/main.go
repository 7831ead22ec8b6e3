// Day_and_night serves more users by day than by night, in days of 36 seconds: each user who is
// there has a goroutine with a session.
//
//truth:service verdict=load also=churn shape=daily ops=1000 per_s=20
//truth:site mark=session function=main.login per_op=0 holder=online
package main

import (
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"example.org/field/internal/run"
)

const (
	day   = 36 * time.Second
	peak  = 400
	basic = 100
)

type session struct {
	user int
	bag  [14 << 10]byte
}

var online sync.Map // user -> *session

func login(user int, bye <-chan struct{}) {
	s := &session{user: user} // site: session
	online.Store(user, s)
	defer online.Delete(user)
	for n := 0; ; n++ {
		select {
		case <-bye:
			return
		case <-time.After(3 * time.Second):
			s.bag[n%len(s.bag)]++
		}
	}
}

func main() {
	var there []chan struct{}
	began := time.Now()
	http.HandleFunc("/who", func(w http.ResponseWriter, _ *http.Request) {
		visitors := 0
		online.Range(func(any, any) bool { visitors++; return true })
		fmt.Fprintln(w, visitors)
	})
	run.Main(func(c *run.Client, i int) {
		angle := 2 * math.Pi * float64(time.Since(began)) / float64(day)
		want := basic + int(peak*(1+math.Sin(angle))/2)
		for len(there) < want {
			bye := make(chan struct{})
			there = append(there, bye)
			go login(len(there), bye)
		}
		for len(there) > want {
			close(there[len(there)-1])
			there = there[:len(there)-1]
		}
		c.Get("/who")
	})
}
