package bench

import (
	"encoding/json"
	"log"
	"math/rand"
)

// noise is the background of a real service: its size is constant from the start, yet it never
// stops allocating, and it replaces what is old.
type noise struct {
	random   *rand.Rand
	requests [4_096]*request
	sessions map[int]*session
}

type request struct {
	path string
	body []byte
}

type session struct {
	User  int
	Cart  []int
	Notes string
}

func newNoise() *noise {
	n := &noise{random: rand.New(rand.NewSource(1)), sessions: map[int]*session{}}
	for i := range n.requests {
		n.receive(i)
	}
	for user := 0; user < 2_000; user++ {
		n.logIn(user)
	}
	return n
}

func (n *noise) step() {
	n.receive(n.random.Intn(len(n.requests)))
	n.logIn(n.random.Intn(len(n.sessions)))
}

func (n *noise) receive(slot int) {
	n.requests[slot] = &request{path: "/", body: make([]byte, 256+n.random.Intn(2_048))}
}

// logIn replaces a user's session by one that went through JSON, as real ones do.
func (n *noise) logIn(user int) {
	s := session{User: user, Cart: make([]int, n.random.Intn(64)), Notes: "none"}
	text, err := json.Marshal(s)
	if err != nil {
		log.Fatal(err)
	}
	replacement := new(session)
	if err := json.Unmarshal(text, replacement); err != nil {
		log.Fatal(err)
	}
	n.sessions[user] = replacement
}
