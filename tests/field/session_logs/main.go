// Session_logs writes what each of 200 sessions does into a bytes.Buffer of its own that is shown
// on demand and never reset.
//
//truth:service verdict=leak trap=buffer ops=1000 op=1290
//truth:site mark=line function=main.(*session).note leaf=no leaves=bytes.* holder=session.log
package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"net/http"
	"strconv"
	"sync"

	"example.org/field/internal/run"
)

const sessions = 200

type session struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (s *session) note(what string, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.log, "%s took %*d bytes\n", what, size, size) // site: line
}

func main() {
	open := make([]*session, sessions)
	for i := range open {
		open[i] = new(session)
		open[i].note("log in", rand.Intn(20_000))
	}
	http.HandleFunc("/click", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.FormValue("session"))
		open[id%sessions].note(r.URL.Path, 800+id%400) // cause
		fmt.Fprintln(w, "ok")
	})
	random := rand.New(rand.NewSource(3))
	run.Main(func(c *run.Client, _ int) { c.Get(fmt.Sprint("/click?session=", random.Intn(sessions))) })
}
