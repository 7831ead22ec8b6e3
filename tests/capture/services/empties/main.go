// Empties fills a map of sessions by POST /step?n=1000, and deletes them all by POST /step?n=0.
// It prints "listening ADDRESS".
package main

import (
	_ "expvar"
	"fmt"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"strconv"
)

type session struct {
	user  int
	pages [7]int
}

var sessions = map[int]*session{}

func logIn(user int) {
	s := new(session)
	s.user = user
	sessions[user] = s // site: map
}

func logOutAll() {
	for user := range sessions {
		delete(sessions, user)
	}
}

func main() {
	http.HandleFunc("/step", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		if n == 0 {
			logOutAll()
		}
		for user := 0; user < n; user++ {
			logIn(len(sessions))
		}
		fmt.Fprintln(w, len(sessions))
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", "http://"+l.Addr().String())
	log.Fatal(http.Serve(l, nil))
}
