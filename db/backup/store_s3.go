package backup

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"rapport/model"
)

// Google's store speaks the S3 protocol at this address to those who have an
// HMAC key.
const googleEndpoint = "storage.googleapis.com"

// openS3 returns a store in a bucket of S3, of what is compatible with it, or
// of Google Cloud Storage.
func openS3(u *url.URL, c Credentials) (Store, error) {
	google := u.Scheme == "gs"
	endpoint := "s3.amazonaws.com"
	if google {
		endpoint = googleEndpoint
	}
	a, err := readAddress(u, endpoint)
	if err != nil {
		return nil, err
	}
	r := &remote{name: placeName(u), container: "bucket", prefix: a.prefix, pause: wait,
		keyHint: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}
	if google {
		r.keyHint = "GCS_HMAC_ACCESS_ID and GCS_HMAC_SECRET"
	}
	r.connect = func(ctx context.Context) (driver, []string, error) {
		env, err := c.lookup(ctx)
		if err != nil {
			return nil, nil, err
		}
		var key credentials.Value
		if google {
			key = credentials.Value{AccessKeyID: env("GCS_HMAC_ACCESS_ID"), SecretAccessKey: env("GCS_HMAC_SECRET")}
		} else {
			key = credentials.Value{AccessKeyID: env("AWS_ACCESS_KEY_ID"), SecretAccessKey: env("AWS_SECRET_ACCESS_KEY"), SessionToken: env("AWS_SESSION_TOKEN")}
		}
		key.SignerType = credentials.SignatureV4
		creds := credentials.New(&credentials.Static{Value: key})
		if key.AccessKeyID == "" || key.SecretAccessKey == "" {
			if google {
				return nil, nil, missing(r.name, r.keyHint)
			}
			creds = credentials.NewFileAWSCredentials(env("AWS_SHARED_CREDENTIALS_FILE"), env("AWS_PROFILE"))
			if key, err = creds.GetWithContext(nil); err != nil || key.AccessKeyID == "" {
				return nil, nil, missing(r.name, r.keyHint+", or write ~/.aws/credentials")
			}
		}
		region := a.region
		switch {
		case region != "":
		case google:
			region = "auto"
		case a.endpoint != endpoint:
			region = "us-east-1"
		default:
			if region = env("AWS_REGION"); region == "" {
				region = env("AWS_DEFAULT_REGION")
			}
		}
		client, err := minio.New(a.endpoint, &minio.Options{Creds: creds, Secure: a.secure, Region: region, Transport: newTransport(), MaxRetries: 1})
		if err != nil {
			return nil, nil, model.Errorf(model.Invalid, "the endpoint of %s is no host", r.name).WithHint("write endpoint=HOST or endpoint=HOST:PORT").Because(err)
		}
		return &s3{core: minio.Core{Client: client}, bucket: a.host}, []string{key.SecretAccessKey, key.SessionToken}, nil
	}
	return r, nil
}

// s3 speaks the protocol of S3.
type s3 struct {
	core   minio.Core
	bucket string
}

// put sends the checksums ahead of the object: what arrives with others, or
// not whole, is not taken.
func (s *s3) put(ctx context.Context, name string, data []byte, fresh bool) error {
	// The checksum of the whole stands in for those of a stream's chunks.
	opts := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: true}
	if fresh {
		opts.SetMatchETagExcept("*")
	}
	sum := md5.Sum(data)
	_, err := s.core.PutObject(ctx, s.bucket, name, bytes.NewReader(data), int64(len(data)), base64.StdEncoding.EncodeToString(sum[:]), hashOf(data), opts)
	return err
}

func (s *s3) get(ctx context.Context, name string, from, to int64) ([]byte, error) {
	var opts minio.GetObjectOptions
	if to > 0 {
		if err := opts.SetRange(from, to-1); err != nil {
			return nil, err
		}
	}
	body, info, _, err := s.core.GetObject(ctx, s.bucket, name, opts)
	if err != nil {
		return nil, err
	}
	return readWhole(body, info.Size)
}

func (s *s3) list(ctx context.Context, prefix string) ([]Object, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var out []Object
	for o := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, o.Err
		}
		out = append(out, Object{Key: o.Key, Size: o.Size, At: o.LastModified})
	}
	return out, ctx.Err()
}

func (s *s3) stat(ctx context.Context, name string) (Object, error) {
	info, err := s.core.StatObject(ctx, s.bucket, name, minio.StatObjectOptions{})
	return Object{Key: name, Size: info.Size, At: info.LastModified}, err
}

func (s *s3) delete(ctx context.Context, name string) error {
	return s.core.RemoveObject(ctx, s.bucket, name, minio.RemoveObjectOptions{})
}

func (s *s3) fault(err error) fault {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return faultPassing // no answer came, or only a part of it
	}
	switch answer.Code {
	case "NoSuchKey":
		return faultAbsent
	case "NoSuchBucket":
		return faultNoContainer
	case "PreconditionFailed":
		return faultTaken
	case "InvalidRange":
		return faultRange
	case "ConditionalRequestConflict", "OperationAborted", "SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable",
		"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "AuthorizationHeaderMalformed":
		// With the header malformed the answer names the bucket's region,
		// which the next attempt uses.
		return faultPassing
	case "NotImplemented":
		return faultNoCondition
	case "RequestTimeTooSkewed", "RequestExpired":
		return faultClock
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidTokenId", "InvalidSecurity", "AccountProblem":
		return faultRefused
	case "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded":
		return faultFull
	}
	if answer.StatusCode == http.StatusBadRequest {
		return faultOther
	}
	return faultOfStatus(answer.StatusCode)
}
