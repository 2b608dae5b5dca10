// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/dapr/components-contrib/contenttype"
	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/components-contrib/pubsub"
	"github.com/dapr/components-contrib/pubsub/redis"
	"github.com/dapr/kit/logger"
)

// sidecar does what daprd does around the component: an event is made of what an application publishes, and what is
// received is opened for a gRPC subscriber.
type sidecar struct {
	component pubsub.PubSub
}

func openDapr(ctx context.Context, address string) framework {
	component := redis.NewRedisStreams(logger.NewLogger("peer"))
	check(component.Init(ctx, pubsub.Metadata{Base: metadata.Base{Properties: map[string]string{
		"redisHost": address, "consumerID": "dapr"}}}))
	return &sidecar{component}
}

func text(event map[string]interface{}, name string) string {
	value, _ := event[name].(string)
	return value
}

// Data as a subscriber has it: bytes of base64, the text of a text type, JSON of a JSON type; no other is known.
func data(event map[string]interface{}, kind string) ([]byte, error) {
	if encoded, is := event[pubsub.DataBase64Field].(string); is {
		return base64.StdEncoding.DecodeString(encoded)
	}
	if contenttype.IsStringContentType(kind) {
		value, is := event[pubsub.DataField].(string)
		if !is {
			return nil, fmt.Errorf("the data of a text is a %T", event[pubsub.DataField])
		}
		return []byte(value), nil
	}
	if contenttype.IsJSONContentType(kind) || contenttype.IsCloudEventContentType(kind) {
		return json.Marshal(event[pubsub.DataField])
	}
	return nil, fmt.Errorf("nobody gets the data of the type '%s'", kind)
}

func opened(message *pubsub.NewMessage) line {
	var event map[string]interface{}
	answer := line{Headers: message.Metadata, Fields: map[string]string{}}

	if err := json.Unmarshal(message.Data, &event); err != nil {
		answer.Error = err.Error()
		return answer
	}
	for name := range event {
		answer.Fields[name] = text(event, name)
	}
	answer.ID, answer.Type = text(event, pubsub.IDField), text(event, pubsub.DataContentTypeField)
	payload, err := data(event, answer.Type)
	if err != nil {
		answer.Error = err.Error()
	}
	answer.Hex = hex.EncodeToString(payload)
	return answer
}

func (s *sidecar) receive(ctx context.Context, tell func(line)) error {
	return s.component.Subscribe(ctx, pubsub.SubscribeRequest{Topic: "from-c"},
		func(_ context.Context, message *pubsub.NewMessage) error {
			tell(opened(message))
			return nil
		})
}

func (s *sidecar) send(ctx context.Context, wanted line, payload []byte) error {
	request := pubsub.PublishRequest{Topic: "to-c", PubsubName: "peer", Metadata: wanted.Headers, Data: payload}

	if wanted.Headers["rawPayload"] != "true" {
		event := pubsub.NewCloudEventsEnvelope(wanted.ID, "go-service", "", "", "to-c", "peer", wanted.Type, payload,
			wanted.Fields["traceparent"], "")
		encoded, err := json.Marshal(event)
		if err != nil {
			return err
		}
		request.Data = encoded
	}
	return s.component.Publish(ctx, &request)
}
