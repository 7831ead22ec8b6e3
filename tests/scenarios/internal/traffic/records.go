package traffic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"strconv"
	"strings"
	"time"
)

const uploads = 24

type session struct {
	User  int      `json:"user"`
	Cart  []item   `json:"cart"`
	Notes []string `json:"notes"`
}

type item struct {
	ID    int     `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

type request struct {
	path   string
	header map[string]string
	body   []byte
}

// logIn replaces a user's session by one that went through JSON, as from a session store.
func (s *service) logIn(user int) {
	given := session{User: user, Notes: []string{"returning customer"}}
	for i := s.random.Intn(12); i > 0; i-- {
		given.Cart = append(given.Cart, item{ID: i, Name: "article " + strconv.Itoa(i), Price: 9.5})
	}
	stored := new(session)
	decode(encode(given), stored)
	s.sessions[user] = stored
}

// comeOrGo renews a user's session, or ends it where fewer users are there.
func (s *service) comeOrGo(user int) {
	if float64(user) < s.active()*users {
		s.logIn(user)
	} else {
		delete(s.sessions, user)
	}
}

// renew replaces one of the last requests, or drops it where fewer are kept.
func (s *service) renew(slot int) {
	if float64(slot) < s.active()*requests {
		s.receive(slot)
	} else {
		s.recent[slot] = nil
	}
}

// receive puts a request into a place among the last ones.
func (s *service) receive(slot int) {
	s.recent[slot] = &request{
		path:   "/orders/" + strconv.Itoa(s.random.Intn(paths)),
		header: map[string]string{"Accept": "application/json", "Host": "shop"},
		body:   make([]byte, 128+s.random.Intn(2_048)),
	}
}

// replace decodes a document without a type, which makes maps, slices, strings and boxes.
func (s *service) replace(slot int) {
	var text bytes.Buffer
	text.WriteString(`{"id": 1, "tags": ["a", "b"], "parts": [`)
	for i := s.random.Intn(24); i >= 0; i-- {
		fmt.Fprintf(&text, `{"number": %d, "name": "part %d", "stock": {"north": 1}}`, i, i)
		if i > 0 {
			text.WriteByte(',')
		}
	}
	text.WriteString(`]}`)
	document := map[string]any{}
	decode(text.Bytes(), &document)
	s.documents[slot] = document
}

// log replaces the oldest line; now and then all lines are joined, as if they were sent away.
func (s *service) log() {
	s.lines[s.line] = fmt.Sprintf("%s level=info user=%d path=/orders/%d status=200 took=%dus",
		time.Now().Format(time.RFC3339Nano), s.random.Intn(users), s.random.Intn(paths), s.line)
	s.line = (s.line + 1) % logLines
	if s.line%1_000 == 0 {
		_ = strings.Join(s.lines[:], "\n")
	}
}

// upload replaces one of the uploads in flight; each is held until another takes its place.
func (s *service) upload() {
	slot := s.random.Intn(uploads)
	s.uploads[slot] = nil
	if s.random.Intn(2) == 0 {
		s.uploads[slot] = make([]byte, 16<<10+s.random.Intn(64<<10))
	}
}

// count counts visits by path, in a map that is begun anew every few seconds.
func (s *service) count() {
	if time.Since(s.counting) > countedFor {
		s.visits, s.counting = map[string]int{}, time.Now()
	}
	for i := 0; i < 16; i++ {
		s.visits["/orders/"+strconv.Itoa(s.random.Intn(paths))]++
	}
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return text
}

func decode(text []byte, into any) {
	if err := json.Unmarshal(text, into); err != nil {
		log.Fatal(err)
	}
}
